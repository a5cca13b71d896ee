"""Why an outage happened: from its symptom towards its cause, as far as logs show it. Pure.

Within a life each step comes before the one that it explains; what a dependency says is taken only
where the app's error repeats it, or where a sign of the cause rests on it.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

from crashloop.diagnosis.case import is_start
from crashloop.diagnosis.chain import links
from crashloop.diagnosis.needed import needed
from crashloop.diagnosis.platform_steps import (
    NOT_IN_SERVICE,
    failed_probes,
    restarts,
    said,
    why_ended,
)
from crashloop.diagnosis.quote import exit_words, quoted, was_killed
from crashloop.diagnosis.steps import alike, doing, steps_back, there, way_of
from crashloop.diagnosis.why import MAX_WHYS, Why, Whys
from crashloop.plural import counted, listed, often

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from crashloop.diagnosis.case import Case, Cited, LifeLog
    from crashloop.diagnosis.diagnosis import Weighed
    from crashloop.trace.event import Event

DEPENDENCIES = {
    "database.said": "The database",
    "cache.said": "The cache",
    "pooler.said": "The pooler",
}
REFUSALS = frozenset({"ERROR", "FATAL", "PANIC"})
CONSEQUENCES = (
    "canceling statement due to user request",
    "connection to client lost",
    "could not receive data from client",
    "could not send data to client",
    "unexpected EOF on client connection",
)
"""What PostgreSQL 17 says after the client has given up or is gone (tcop/postgres.c, pqcomm.c)."""
LEAST_QUOTE = 12
"""A server's message of fewer characters may stand in an app's error by chance."""
MAX_SIGNS = 3
MAX_NAMES = 4
_AT = re.compile(r" at character \d+$")
_INSTANCE = re.compile(r"/(?:[0-9a-f]{20,}|\d+)$")
MAX_SKEW_NS = 2_000_000_000
"""How much later by its own clock what explains a step may be: machines differ. Chosen."""


def whys(case: Case, weighed: Weighed | None) -> Whys:
    """The chain of the lives that failed alike, to the signs of `weighed`, if a cause is known."""
    found = _Chain(case, weighed)
    lives = _failed(case, weighed)
    if lives:
        found.symptom(lives)
        found.failures(lives)
    elif not found.probes():
        found.cut_short()
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
        starts = there([next(filter(is_start, life.events), None) for life in of_them])
        restarted, shown = restarts(self._case, sources), len(starts)
        is_often = shown > 1 or len(lives) > 1 or restarted is not None
        failed = "never became ready" if is_often else "did not become ready"
        if any(life.was_ready for life in of_them):
            failed = f"failed to become ready {often(len(lives))}"
            if restarted is not None:
                failed = f"these logs show {counted(len(lives), 'start')} that failed"
        elif self._weighed is None and not any(life.has_words for life in of_them):
            failed = "ended; these logs do not say whether it had become ready"
        were = "were" if len(sources) > 1 else "was"
        times = f" {often(shown)}" if shown > 1 else ""
        started = f"{were} started{times} and " if shown else ""
        events = starts or [life.events[0] for life in lives]
        if restarted is not None:
            started = f"{were} restarted {often(restarted.data['restarts'])} and "
            events = [restarted]
        self._add(f"{_names(sources)} {started}{failed}.", events)

    def failures(self, lives: Sequence[LifeLog]) -> None:
        """What ended these lives, and what the dependency that they met said of it."""
        back = [*steps_back(lives)]
        ends = there(life.exit for life in lives)
        if ends:
            self._add(*back.pop(0))
            for says, events in why_ended(self._case, lives):
                self._add(says, events)
        for says, events in back:
            self._add(says, events)
        if ends and was_killed(ends[-1].data):
            self._last_lines(ends, has_more=bool(back))
        self._dependency(self.steps[-1].events)

    def _last_lines(self, ends: Sequence[Event], *, has_more: bool) -> None:
        """The last line before a kill, where nothing else says what the life was doing."""
        last = self._case.last_said
        lines = tuple(dict.fromkeys(last[e.seq] for e in ends if e.seq in last))
        if lines and not has_more and len(self.steps) < MAX_WHYS:
            says = f"The last that it had said before was: {quoted(lines[-1].text)}"
            self.steps.append(Why(says=says, events=tuple(ends), lines=lines))

    def cut_short(self) -> None:
        """What lives were doing that had not ended when the next one began."""
        lives = self._case.lives
        again = {(life.source, life.attempt - 1): life for life in lives}
        cut = [
            life for life in lives if not life.was_ready and (life.source, life.attempt) in again
        ]
        nexts = [again[life.source, life.attempt].events[0] for life in cut]
        names = _names({life.source for life in cut})
        self._add(f"{names} was started again {often(len(cut))} before it was ready.", nexts)
        for says, events in doing(cut):
            self._add(says, events)

    def probes(self) -> bool:
        """What ended a life that was ready, or what the probes say of one that did not end.

        Returns whether anything did.
        """
        lives = self._case.lives
        ended = [life.exit for life in lives if life.was_ready and life.exit is not None]
        died = [end for end in ended if was_killed(end.data) or end.data.get("exit_code")]
        if died:
            self._add(f"The app was ready, and ended later with {exit_words(died[-1].data)}.", died)
            return True
        sources = {life.source for life in lives}
        if found := said(self._case, sources, *NOT_IN_SERVICE):
            self._add(f"The platform did not take {_names(sources)} into service.", found)
        for says, events in failed_probes(self._case, ()):
            self._add(says, events)
        return bool(self.steps)

    def signs(self) -> None:
        """What decided the cause, where no step has told it; if it came later, what it means."""
        if self._weighed is None:
            return
        told = _Told(self.steps)
        new = {
            seen.sign.says: events
            for seen in self._weighed.decided
            if (events := [e for e in seen.events if not told.has(e, self._case.lines(e))])
        }
        before = {says: found for says, events in new.items() if (found := self._not_later(events))}
        if before:
            says = listed([*before][:MAX_SIGNS])
            self._add(f"The log shows that {says}.", [*chain(*before.values())])
            return
        shown = {e.life for why in self.steps[1:] for e in why.events}
        elsewhere = [e for e in chain(*new.values()) if e.life is None or e.life not in shown]
        self._add(self._weighed.cause.meaning, elsewhere)

    def _dependency(self, errors: Sequence[Event]) -> None:
        """What the dependency itself said of these errors."""
        weighed = self._weighed
        decided = () if weighed is None else weighed.decided
        of_signs = {e.seq for seen in decided for e in seen.events}
        texts = [str(link.get("message") or "") for e in errors for link in links(e)]
        refusals = [e for e in self._case.trace.of(*DEPENDENCIES) if _refuses(e)]
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
        of_life = {e.life: e.seq for e in reversed(effects)}
        of_source = {e.replica: e.seq for e in effects}
        last_ns = max([e.data.get("at_ns") or 0 for e in effects])
        return [
            e
            for e in events
            if e.life is None or e.seq < of_life.get(e.life, of_source.get(e.replica, e.seq + 1))
            if not (last_ns and (e.data.get("at_ns") or 0) > last_ns + MAX_SKEW_NS)
        ]

    def _add(self, says: str, events: Sequence[Event]) -> None:
        if events and len(self.steps) < MAX_WHYS:
            lines = self._case.lines(*events)
            self.steps.append(Why(says=says, events=tuple(events), lines=lines))


class _Told:
    """What steps have told already."""

    def __init__(self, steps: Sequence[Why]) -> None:
        events = [event for why in steps for event in why.events]
        self._seqs = {event.seq for event in events}
        self._ways = {way_of(event) for event in events if links(event)}
        self._lines = {line for why in steps for line in why.lines}

    def has(self, event: Event, lines: Collection[Cited]) -> bool:
        """Whether they have told of the event, of its lines, or of another one of its error."""
        is_same = bool(links(event)) and way_of(event) in self._ways
        return event.seq in self._seqs or is_same or (bool(lines) and self._lines.issuperset(lines))


def _failed(case: Case, weighed: Weighed | None) -> list[LifeLog]:
    """The lives that failed alike: those that decide the cause, else those of the usual way."""
    seqs = {e.seq for seen in weighed.decided for e in seen.events} if weighed else set()
    decided = [life for life in case.failed if seqs & {e.seq for e in life.events}]
    return alike(decided or case.failed)


def _key(life: LifeLog) -> tuple[str, int]:
    return life.source, life.attempt


def _names(sources: Collection[str]) -> str:
    """`shop-1`, or without its pod or its instance, whose names are long: `gateway`."""
    short = {_INSTANCE.sub("", source).rpartition("/")[2] for source in sources}
    names = sorted({quoted(name, 60) for name in short} - {""})
    if len(names) > MAX_NAMES:
        names = [*names[: MAX_NAMES - 1], f"{len(names) - MAX_NAMES + 1} others"]
    return listed(names) if names else "The app"


def _refuses(event: Event) -> bool:
    """Whether a server says that it failed or refused, of its own accord."""
    message = str(event.data.get("message"))
    return event.data.get("severity") in REFUSALS and not message.startswith(CONSEQUENCES)


def _is_quoted(event: Event, texts: Sequence[str]) -> bool:
    """Whether the app's error has the message of the server."""
    message = _AT.sub("", str(event.data.get("message") or "").strip())
    return len(message) >= LEAST_QUOTE and any(message in text for text in texts)
