"""How much the app needs each dependency, from the runs that took it away. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from crashloop.checks.dependency import Need, Needed, needed_at_start, needed_later
from crashloop.incidents.dependency import WAYS
from crashloop.model import Flag
from crashloop.outcome import tries_called_ready

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crashloop.survey.plan import Planned
    from crashloop.trace.event import Trace

SLOW = "slow"
CALLED_READY = ", while it called itself ready"
# Flags of the app at any time, which say nothing about a dependency.
_OF_ANY_RUN = {
    *(Flag.SIGTERM_IGNORED, Flag.SIGTERM_IGNORED_AT_START),
    *(Flag.PORT_BEFORE_READY, Flag.LISTENS_ON_ALL),
}
_ORDER = (Need.HARD, Need.SOFT, Need.UNUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one run without a dependency showed, with its flags.

    `trace` is where its evidence is.
    """

    way: str
    start: Needed
    run: Needed
    trace: str | None = None
    flags: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """What was found for start and run time, with the reasons."""
        return {
            "start": str(self.start.need),
            "start_why": self.start.why,
            "run": str(self.run.need),
            "run_why": self.run.why,
            "evidence": [*self.start.evidence, *self.run.evidence],
            "flags": dict(self.flags),
            "trace": self.trace,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyNeed:
    """How much the app needs one dependency: what it did without it, each way."""

    name: str
    seen: Mapping[str, Seen] = field(default_factory=dict)

    @property
    def start(self) -> Needed:
        """At start: by what refusing and silence showed, the worse of the two."""
        return _worst([(way, each.start) for way, each in self.seen.items() if way != SLOW])

    @property
    def run(self) -> Needed:
        """At run time."""
        return _worst([(way, each.run) for way, each in self.seen.items() if way != SLOW])

    @property
    def flags(self) -> dict[str, str]:
        """What else its absence showed, each flag with its sentence, unless `run` says it."""
        found: dict[str, str] = {}
        for each in self.seen.values():
            said = {Flag.READY_BUT_BROKEN} if CALLED_READY in self.run.why else set()
            left = {f: says for f, says in each.flags.items() if f not in said | _OF_ANY_RUN}
            found = {**left, **found}
        return found

    @property
    def slow(self) -> str:
        """Whether it survives slow answers, in words; "" where that was not tried."""
        seen = self.seen.get(SLOW)
        if seen is None:
            return ""
        parts = {"at start": seen.start, "at run time": seen.run}
        failed = [f"not {when} ({one.why})" for when, one in parts.items() if one.need is Need.HARD]
        if failed:
            return f"does not survive slow answers: {', '.join(failed)}"
        known = [when for when, one in parts.items() if one.need is not Need.UNKNOWN]
        return f"survives slow answers {' and '.join(known)}" if known else ""

    def to_json(self) -> dict[str, Any]:
        """`name`, `start` and `run`, with the reasons and what each way showed."""
        return {
            "name": self.name,
            "start": str(self.start.need),
            "run": str(self.run.need),
            "start_why": self.start.why,
            "run_why": self.run.why,
            "slow": self.slow,
            "ways": {way: each.to_json() for way, each in self.seen.items()},
        }


def seen_in(
    planned: Planned, trace: Trace, path: str, flags: Mapping[str, str] | None = None
) -> Seen:
    """What the trace of a run without a dependency shows; `flags` are those of its outcome."""
    start, run = needed_at_start(trace, planned.target), needed_later(trace, planned.target)
    broken = {event.seq for event in tries_called_ready(trace)}
    if broken & {*run.evidence}:
        run = replace(run, why=f"{run.why}{CALLED_READY}")
    return Seen(way=planned.way, start=start, run=run, trace=path, flags=flags or {})


def not_seen(planned: Planned, why: str) -> Seen:
    """A run without a dependency that gave no trace."""
    unknown = Needed(need=Need.UNKNOWN, why=why)
    return Seen(way=planned.way, start=unknown, run=unknown)


def needs(runs: Iterable[tuple[Planned, Seen]]) -> list[DependencyNeed]:
    """The dependencies in the order of their first runs, each with what was seen."""
    found: dict[str, dict[str, Seen]] = {}
    for planned, seen in runs:
        found.setdefault(planned.target, {})[planned.way] = seen
    return [
        DependencyNeed(name=name, seen={way: seen[way] for way in WAYS if way in seen})
        for name, seen in found.items()
    ]


def _worst(found: list[tuple[str, Needed]]) -> Needed:
    """The first that is hard, soft, or unused, in this order; its reason names the way."""
    found = sorted(found, key=lambda each: CALLED_READY not in each[1].why)
    for need in _ORDER:
        for way, one in found:
            if one.need is need:
                return Needed(need=need, why=f"{way}: {one.why}", evidence=one.evidence)
    return next((one for _, one in found), Needed(need=Need.UNKNOWN, why="it was not taken away"))
