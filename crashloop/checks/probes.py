"""What the platform's own probes said of lives that died, and which deaths they caused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop import durations
from crashloop.checks.ends import how_ended, killed_by_another, killing_signal, kills_of
from crashloop.checks.exits import exactly
from crashloop.checks.lives import Replicas, deaths, for_replicas, observed, of_replica
from crashloop.checks.platform import probe_name
from crashloop.checks.result import Result, holds, not_seen, refuted, saw_nothing
from crashloop.plural import counted

if TYPE_CHECKING:
    from crashloop.trace.event import Event, Trace

# Chosen: a probe may be late on a busy machine.
SAME_AGE = 0.2
SEVERAL = 2


def killed_by_probe(trace: Trace, *, probe: str, times: int, replicas: Replicas = "each") -> Result:
    """The platform's probe ended lives, `times` in each replica; nothing else ended any.

    In each the probe failed as often in a row as the platform allows, the platform killed the
    process, and it ended by the signal of that; until then the app had not logged that a phase
    failed. Exactly `times` if there is one replica, else at least; "some": in at least one replica.
    """
    failures, exits = _allowed(trace, probe), deaths(trace)
    if not exits:
        return not_seen(trace, "no attempt died on its own")
    if not failures:
        says = f"the platform had no {probe_name(probe)}, so none can have ended an attempt"
        return refuted(says, exits)
    results = [e for died in exits for e in _of_probe(trace, "probe.result", died, probe)]
    kills = [e for died in exits for e in kills_of(trace, died, f"{probe} probe")]
    if not results and not kills:
        says = f"the {probe_name(probe)} was never executed in an attempt that died"
        return saw_nothing(says, exits)
    for died in exits:
        if found := _not_killed(trace, died, probe, failures):
            return found

    def often_enough(number: int) -> Result:
        died = of_replica(exits, number)
        says = f"the {probe_name(probe)} ended {counted(len(died), 'attempt')}"
        evidence = [e for one in died for e in (*kills_of(trace, one, f"{probe} probe"), one)]
        return exactly(trace, says, died, times, replicas, evidence=evidence)

    return for_replicas(trace, replicas, often_enough)


def killed_at_same_age(trace: Trace, *, probe: str) -> Result:
    """The platform's probe killed each life that died, two or more, all at the same age.

    The age is that at the first signal. The ages differ by a fifth of the youngest at most.
    """
    exits = deaths(trace)
    kills: list[Event] = []
    for died in exits:
        if found := killed_by_another(trace, died):
            return found
        sent = kills_of(trace, died, f"{probe} probe")
        if not sent:
            return refuted(f"no {probe_name(probe)} killed {trace.name(died.life)}", [died])
        kills.append(sent[0])
    if len(kills) < SEVERAL:
        says = f"{counted(len(kills), 'attempt')} died, so nothing says whether the age is the same"
        return not_seen(trace, says, kills)
    started = [trace.first("process.started", life=kill.life) for kill in kills]
    born_ns = [event.mono_ns for event in started if event]
    if len(born_ns) < len(kills):
        return saw_nothing("nothing says when each attempt was started", kills)
    ages_s = [
        (kill.mono_ns - since_ns) / 1e9 * trace.scale
        for kill, since_ns in zip(kills, born_ns, strict=True)
    ]
    ages = durations.times(ages_s)
    says = f"the {probe_name(probe)} killed {len(kills)} attempts at the age of {ages} s"
    if max(ages_s) - min(ages_s) > SAME_AGE * min(ages_s):
        return refuted(f"{says}, which is not the same", kills)
    return holds(says, kills)


def probe_passed(trace: Trace, *, probe: str, passed: bool) -> Result:
    """In each life that died, the platform's probe had passed before; or, not `passed`, in none."""
    exits = deaths(trace)
    if not exits:
        return not_seen(trace, "no attempt died on its own")
    if not _allowed(trace, probe):
        return refuted(f"the platform had no {probe_name(probe)}", exits)
    if not any(e.data.get("probe") == probe for e in observed(trace, "probe.planned")):
        return saw_nothing(f"the {probe_name(probe)} is not recorded to have been planned")
    evidence: list[Event] = []
    for died in exits:
        found = _of_probe(trace, "probe.passed", died, probe)
        if bool(found) is not passed:
            had = "had" if found else "had not"
            says = f"the {probe_name(probe)} of {trace.name(died.life)} {had} passed before it died"
            return refuted(says, [*found, died])
        evidence += [*found, died]
    had = "had" if passed else "had not"
    who = counted(len(exits), "attempt")
    return holds(f"the {probe_name(probe)} of {who} {had} passed before they died", evidence)


def _allowed(trace: Trace, probe: str) -> int:
    """After how many failures in a row the platform acts; 0 if it has no such probe."""
    planned = (trace.scenario.get("platform") or {}).get(probe) or {}
    return int(planned.get("failures", 0))


def _of_probe(trace: Trace, kind: str, until: Event, probe: str) -> list[Event]:
    """What is recorded of a probe in the life of an event, until that."""
    found = observed(trace, kind, life=until.life)
    return [e for e in found if e.data.get("probe") == probe and e.mono_ns <= until.mono_ns]


def _not_killed(trace: Trace, died: Event, probe: str, failures: int) -> Result | None:
    """Why the probe did not end this life; None if it did."""
    name = trace.name(died.life)
    if found := killed_by_another(trace, died):
        return found
    kills = kills_of(trace, died, f"{probe} probe")
    if not kills:
        return refuted(
            f"{name} ended with {how_ended(died)}, and no {probe_name(probe)} killed it", [died]
        )
    if found := _had_not_failed(trace, kills[0], probe, failures):
        return found
    gave_up = [e for e in trace.of("phase.failed", life=died.life) if e.mono_ns < kills[0].mono_ns]
    if gave_up:
        phase = gave_up[0].data.get("phase")
        return refuted(f"{name} had failed in phase {phase} before it was killed", gave_up)
    if killing_signal(trace, died) not in [e.data.get("signal") for e in kills]:
        says = f"{name} was killed for its {probe_name(probe)}, yet ended with {how_ended(died)}"
        return refuted(says, [*kills, died])
    return None


def _had_not_failed(trace: Trace, kill: Event, probe: str, failures: int) -> Result | None:
    """Why nothing shows that the probe had failed before a kill; None if it had."""
    why = f"{trace.name(kill.life)} was killed for its {probe_name(probe)}"
    if not _of_probe(trace, "probe.failed", kill, probe):
        return saw_nothing(f"{why}, which is not recorded to have failed", [kill])
    last = _of_probe(trace, "probe.result", kill, probe)[-failures:]
    failed = [e for e in last if e.data.get("ok") is False]
    if len(failed) < failures:
        says = f"{why}, which had failed {len(failed)} of the last {failures} times"
        return saw_nothing(says, [*last, kill])
    return None
