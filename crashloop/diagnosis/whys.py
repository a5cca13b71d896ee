"""Why an outage happened: from its symptom towards its cause, as far as logs show it. Pure.

Within a life each step comes before the one that it explains; what a dependency says is taken only
where the app's error repeats it, or where a sign of the cause rests on it.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from crashloop.diagnosis.case import is_start
from crashloop.diagnosis.needed import needed
from crashloop.diagnosis.quote import exit_words, quoted, was_killed
from crashloop.diagnosis.signs import links
from crashloop.diagnosis.steps import alike, steps_back, there
from crashloop.diagnosis.why import MAX_WHYS, Why, Whys
from crashloop.logs.event import PROBE_FAILED
from crashloop.plural import listed, often

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crashloop.diagnosis.case import Case, LifeLog
    from crashloop.diagnosis.diagnosis import Weighed
    from crashloop.trace.event import Event

DEPENDENCIES = {
    "database.said": "The database",
    "cache.said": "The cache",
    "pooler.said": "The pooler",
}
REFUSALS = frozenset({"ERROR", "FATAL", "PANIC"})
LEAST_QUOTE = 12
"""A server's message of fewer characters may stand in an app's error by chance."""
MAX_SIGNS = 3
MAX_SKEW_NS = 2_000_000_000
"""How much later by its own clock what explains a step may be: machines differ. Chosen."""


def whys(case: Case, weighed: Weighed | None) -> Whys:
    """The chain of the lives that failed alike, to the signs of `weighed`, if a cause is known."""
    found = _Chain(case, weighed)
    lives = _failed(case, weighed)
    if lives:
        found.symptom(lives)
        found.failures(lives)
    else:
        found.probes()
    found.signs()
    return Whys(steps=tuple(found.steps), ends=needed(found.steps, weighed))


class _Chain:
    """Collects the steps, each with the lines that show it."""

    def __init__(self, case: Case, weighed: Weighed | None) -> None:
        self.steps: list[Why] = []
        self._case = case
        self._weighed = weighed

    def symptom(self, lives: Sequence[LifeLog]) -> None:
        """What somebody on call sees: of all lives of these sources, not only of these."""
        sources = {life.source for life in lives}
        of_them = [life for life in self._case.lives if life.source in sources]
        names = sorted({quoted(source, 60) for source in sources} - {""})
        who = listed(names) if names else "The app"
        starts = there([next(filter(is_start, life.events), None) for life in of_them])
        attempts = len(starts)
        failed = "never became ready" if attempts > 1 else "did not become ready"
        if any(life.was_ready for life in of_them):
            failed = f"failed to become ready {often(len(lives))}"
        times = f" {often(attempts)}" if attempts > 1 else ""
        started = f"{'were' if len(names) > 1 else 'was'} started{times} and " if attempts else ""
        self._add(f"{who} {started}{failed}.", starts or [life.events[0] for life in lives])

    def failures(self, lives: Sequence[LifeLog]) -> None:
        """What ended these lives, and what the dependency that they met said of it."""
        for says, events in steps_back(lives):
            self._add(says, events)
        self._dependency(self.steps[-1].events)

    def probes(self) -> None:
        """What ended a life that was ready, or what the probes say of one that did not end."""
        ended = [life.exit for life in self._case.lives if life.was_ready and life.exit is not None]
        died = [end for end in ended if was_killed(end.data) or end.data.get("exit_code")]
        if died:
            self._add(f"The app was ready, and ended later with {exit_words(died[-1].data)}.", died)
            return
        probes = self._case.trace.of(PROBE_FAILED)
        if probes:
            port = probes[-1].data.get("port")
            at = f" on port {port}" if isinstance(port, int) else ""
            name = quoted(probes[-1].data.get("probe") or "", 20)
            times = sum(int(e.data.get("times") or 1) for e in probes)
            self._add(f"The platform's {name} probe failed {often(times)}{at}.", probes)

    def signs(self) -> None:
        """What decided the cause, where no step has told it."""
        if self._weighed is None:
            return
        told = {e.seq for why in self.steps for e in why.events}
        new = {
            seen.sign.says: self._not_later(seen.events)
            for seen in self._weighed.decided
            if not {e.seq for e in seen.events} <= told
        }
        shown = {says: events for says, events in new.items() if events}
        says = listed([*shown][:MAX_SIGNS])
        self._add(f"The log shows that {says}.", [*chain(*shown.values())])

    def _dependency(self, errors: Sequence[Event]) -> None:
        """What the dependency itself said of these errors."""
        weighed = self._weighed
        signs = () if weighed is None else (*weighed.decided, *weighed.pointed)
        of_signs = {e.seq for seen in signs for e in seen.events}
        texts = [str(link.get("message") or "") for e in errors for link in links(e)]
        said = self._case.trace.of(*DEPENDENCIES)
        refusals = [e for e in said if e.data.get("severity") in REFUSALS]
        found = [e for e in refusals if e.seq in of_signs or _is_quoted(e, texts)]
        if found := self._not_later(found):
            data, who = found[-1].data, DEPENDENCIES[found[-1].kind]
            detail = f" ({quoted(data['detail'])})" if data.get("detail") else ""
            self._add(f"{who} itself said: {quoted(data.get('message'))}{detail}", found)

    def _not_later(self, events: Iterable[Event]) -> list[Event]:
        """Those that can explain the last step: none that came after it."""
        if not self.steps:
            return [*events]
        effects = self.steps[-1].events
        seqs = {e.life: e.seq for e in reversed(effects) if e.life is not None}
        last_ns = max([e.data.get("at_ns") or 0 for e in effects])
        return [
            e
            for e in events
            if (e.life is None or e.seq < seqs.get(e.life, e.seq + 1))
            and not (last_ns and (e.data.get("at_ns") or 0) > last_ns + MAX_SKEW_NS)
        ]

    def _add(self, says: str, events: Sequence[Event]) -> None:
        if events and len(self.steps) < MAX_WHYS:
            lines = self._case.lines(*events)
            self.steps.append(Why(says=says, events=tuple(events), lines=lines))


def _failed(case: Case, weighed: Weighed | None) -> list[LifeLog]:
    """The lives that failed alike: those that decide the cause, else those of the usual way."""
    seqs = {e.seq for seen in weighed.decided for e in seen.events} if weighed else set()
    decided = [life for life in case.failed if seqs & {e.seq for e in life.events}]
    return alike(decided or case.failed)


def _is_quoted(event: Event, texts: Sequence[str]) -> bool:
    """Whether the app's error has the message of the server."""
    message = str(event.data.get("message") or "").strip()
    return len(message) >= LEAST_QUOTE and any(message in text for text in texts)
