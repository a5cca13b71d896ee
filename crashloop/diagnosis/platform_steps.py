"""What the platform said of the lives that failed, as steps between their end and their own words.

Only what it did or counted is taken. What it guesses of the cause is no step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.diagnosis.quote import quoted
from crashloop.diagnosis.steps import there
from crashloop.logs.event import PLATFORM_SAID, PROBE_FAILED
from crashloop.plural import often

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from crashloop.diagnosis.case import Case, LifeLog
    from crashloop.diagnosis.steps import Step
    from crashloop.trace.event import Event

NOT_IN_SERVICE = ("revision-not-ready", "not-listening", "instance-did-not-start")


def said(case: Case, sources: Collection[str], *what: str) -> list[Event]:
    """What the platform said of these sources, or of the service that they are instances of."""
    found = case.trace.of(PLATFORM_SAID)
    return [
        e
        for e in found
        if e.data.get("says") in what
        and (not e.target or any(_is_of(source, e.target) for source in sources))
    ]


def restarts(case: Case, sources: Collection[str]) -> Event | None:
    """Where the platform counts the restarts of these sources: the highest number."""
    counted = [e for e in said(case, sources, "restarted") if isinstance(_times(e), int)]
    return max(counted, key=_times, default=None)


def why_ended(case: Case, lives: Sequence[LifeLog]) -> Iterator[Step]:
    """Why the platform, or the kernel for it, ended these lives, by what it said itself."""
    sources = {life.source for life in lives}
    ends = there(life.exit for life in lives)
    exceeded = said(case, sources, "memory-limit-exceeded")
    limits = said(case, sources, "memory-limit")
    if exceeded:
        yield f"The platform said: {quoted(exceeded[-1].data.get('text'))}", exceeded
    elif limits and any(e.data.get("reason") == "OOMKilled" for e in ends):
        limit = quoted(limits[-1].data.get("limit"), 20)
        yield f"It had more memory than its limit of {limit} allows.", [*limits, *ends]
    kills = [e for e in said(case, sources, "killing") if e.data.get("probe")]
    if kills:
        name = quoted(kills[-1].data["probe"], 20)
        yield f"The platform killed it for its {name} probe.", kills
        yield from failed_probes(case, sources, name)


def failed_probes(case: Case, sources: Collection[str], probe: str = "") -> Iterator[Step]:
    """How often the probe failed, and with which error; without a name, whichever was last."""
    found = [
        e
        for e in case.trace.of(PROBE_FAILED)
        if (not sources or not e.target or e.target in sources)
        and (not probe or e.data.get("probe") == probe)
    ]
    if not found:
        return
    last = found[-1].data
    name = quoted(last.get("probe") or "", 20)
    same = [e for e in found if e.data.get("probe") == last.get("probe")]
    port = f" on port {last['port']}" if isinstance(last.get("port"), int) else ""
    times = often(sum(e.data.get("times") or 1 for e in same))
    error = f": {quoted(last['error'])}" if last.get("error") else "."
    yield f"The {name} probe failed {times}{port}{error}", same


def _is_of(source: str, target: str) -> bool:
    return source == target or source.startswith(f"{target}/")


def _times(event: Event) -> int:
    times = event.data.get("restarts")
    return times if isinstance(times, int) else 0
