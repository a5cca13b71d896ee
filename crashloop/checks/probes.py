"""Deaths that the platform's own probe caused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.exits import code_of, exactly, how_ended
from crashloop.checks.lives import Replicas, deaths, for_replicas, observed, of_replica
from crashloop.checks.platform import probe_name
from crashloop.checks.result import Result, not_seen, refuted, saw_nothing
from crashloop.plural import counted

if TYPE_CHECKING:
    from crashloop.trace.event import Event, Trace

# What SIGTERM and SIGKILL make of a process that does not end in another way: 128 + 15, 128 + 9.
_BY_SIGNAL = frozenset({143, 137})


def killed_by_probe(trace: Trace, *, probe: str, times: int, replicas: Replicas = "each") -> Result:
    """The platform's probe ended lives, `times` in each replica; nothing else ended any.

    In each the probe failed, the platform killed the process, and it ended by a signal; until then
    the app had not logged that a phase failed. Exactly `times` if there is one replica, else at
    least; "some": in at least one replica.
    """
    if not observed(trace, "probe.planned", "probe.result", "probe.failed"):
        return saw_nothing("the platform had no probe, so none can have ended an attempt")
    exits = deaths(trace)
    if not exits:
        return not_seen(trace, "no attempt died on its own")
    for died in exits:
        if found := _not_killed(trace, died, probe):
            return found

    def often_enough(number: int) -> Result:
        died = of_replica(exits, number)
        says = f"the {probe_name(probe)} ended {counted(len(died), 'attempt')}"
        evidence = [e for one in died for e in (*_kills(trace, one, probe), one)]
        return exactly(trace, says, died, times, replicas, evidence=evidence)

    return for_replicas(trace, replicas, often_enough)


def _kills(trace: Trace, died: Event, probe: str) -> list[Event]:
    found = observed(trace, "process.killed", life=died.life)
    return [e for e in found if e.data.get("by") == f"{probe} probe" and e.mono_ns <= died.mono_ns]


def _not_killed(trace: Trace, died: Event, probe: str) -> Result | None:
    """Why the probe did not end this life; None if it did."""
    name = trace.name(died.life)
    kills = _kills(trace, died, probe)
    if not kills:
        return refuted(
            f"{name} ended with {how_ended(died)}, and no {probe_name(probe)} killed it", [died]
        )
    results = observed(trace, "probe.failed", life=died.life)
    failed = [e for e in results if e.data.get("probe") == probe and e.mono_ns <= kills[0].mono_ns]
    if not failed:
        why = f"its {probe_name(probe)}, which is not recorded to have failed"
        return saw_nothing(f"{name} was killed for {why}", kills)
    gave_up = [e for e in trace.of("phase.failed", life=died.life) if e.mono_ns < kills[0].mono_ns]
    if gave_up:
        phase = gave_up[0].data.get("phase")
        return refuted(f"{name} had failed in phase {phase} before it was killed", gave_up)
    if code_of(died) not in _BY_SIGNAL:
        says = f"{name} was killed for its {probe_name(probe)}, yet ended with {how_ended(died)}"
        return refuted(says, [*kills, died])
    return None
