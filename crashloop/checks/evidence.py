"""Whether the run was a fair test: complete evidence, healthy baseline, right path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.connections import is_own, was_refused
from crashloop.checks.consistency import contradiction, gap
from crashloop.checks.lines import PHASE_ENDS, of_process
from crashloop.checks.lives import observed, of_replicas
from crashloop.checks.result import MAX_EVIDENCE, Result, holds, saw_nothing
from crashloop.checks.touches import planned_faults, touches
from crashloop.plural import counted

if TYPE_CHECKING:
    from collections.abc import Collection

    from crashloop.model import Life
    from crashloop.trace.event import Event, Trace


def evidence_complete(trace: Trace) -> Result:
    """No line is missing, and no two lines contradict each other.

    `seq` counts from 1 without a gap, the run wrote its own end and counted its events, every
    life ended once, and what is recorded twice is consistent.
    """
    if found := gap(trace) or contradiction(trace):
        return saw_nothing(*found)
    return holds(f"all {len(trace.events)} events are present", trace.of("run.finished"))


def baseline_passed(trace: Trace, *, target: str = "") -> Result:
    """Before any life and any fault, the harness's own query went through the same path.

    An empty `target` means every dependency of the scenario.
    """
    planned = [str(each["name"]) for each in trace.scenario.get("dependencies") or []]
    targets = [target] if target else planned
    if not targets:
        return saw_nothing("the scenario has no dependency, so there is no path to show")
    evidence: tuple[int, ...] = ()
    for name in targets:
        result = _baseline_of(trace, name)
        if not result.holds:
            return result
        evidence += result.evidence
    paths = " and ".join(targets)
    says = f"a query through the proxy of {paths} worked before the first attempt"
    return Result(holds=True, says=says, evidence=evidence[:MAX_EVIDENCE])


def path_used(trace: Trace, *, phase: str, target: str) -> Result:
    """In every life, the phase came to the target's proxy, or asked for it by its name.

    Another phase's connections do not count; without a phase, any of the life's do. A replica for
    which the target itself confirmed a step of the journey needs a connection that reached the
    target.
    """
    begun = of_replicas(trace, trace.of("phase.started"))
    reached = [e for e in begun if e.data.get("phase") == phase] if phase else _lived(trace, target)
    if phase and not begun:
        return saw_nothing("no attempt logged a phase, so nothing says who used the path")
    if not reached:
        what = f"reached phase {phase}" if phase else "was started"
        return saw_nothing(f"no attempt {what}, so the path was never used")
    evidence: list[Event] = []
    firsts: dict[Life | None, Event] = {}
    for started in reached:
        used = _uses(trace, started, target)
        if not used:
            name = trace.name(started.life)
            says = f"{name} never came to the proxy of {target}"
            if phase:
                says = f"{name} reached phase {phase} but never the proxy of {target} in it"
            return saw_nothing(says, [started])
        evidence.append(used[0])
        firsts.setdefault(started.life, used[0])
    connected = [e for e in observed(trace, "link.connected", target=target) if is_own(trace, e)]
    for step in observed(trace, "journey.step", target=target):
        if not any(e.replica == step.replica and e.mono_ns < step.mono_ns for e in connected):
            return saw_nothing(
                f"{target} has what {trace.name(step.life)} was sent, though none of its "
                f"connections had reached {target}: it has another way there",
                [step],
            )
    return holds(_ways_there(firsts.values(), target), evidence)


def _ways_there(firsts: Collection[Event], target: str) -> str:
    """How lives came to the target's proxy, by the first use of each, in words."""
    path = f"the proxy of {target}"
    refused = [e for e in firsts if e.source == "app" or e.kind == "gate.refused"]
    asked = [e for e in firsts if e.kind == "name.asked"]
    parts = []
    if came := len(firsts) - len(refused) - len(asked):
        parts.append(f"{counted(came, 'attempt')} came through {path}")
    if asked:
        parts.append(f"{counted(len(asked), 'attempt')} asked for {target} by its name")
    if refused:
        was = "was" if len(refused) == 1 else "were"
        is_said = any(event.source == "app" for event in refused)
        by_whose_word = ", by the app's own word" if is_said else ""
        who = counted(len(refused), "attempt")
        parts.append(f"{who} {was} refused at the address of {path}{by_whose_word}")
    return "; ".join(parts)


def _lived(trace: Trace, target: str) -> list[Event]:
    """The starts of the lives that had the time to come to the target.

    A life that the harness ended may have been ended before, unless it was the only one.
    """
    started = of_replicas(trace, observed(trace, "process.started"))
    asked = {e.life for e in observed(trace, "process.exited") if e.data.get("requested")}
    return [e for e in started if e.life not in asked or _uses(trace, e, target)] or started


def _baseline_of(trace: Trace, target: str) -> Result:
    passed = next(iter(observed(trace, "baseline.passed", target=target)), None)
    if passed is None:
        return saw_nothing(f"the path to {target} was never shown to work before the fault")
    link = passed.data.get("link")
    connected = observed(trace, "link.connected", target=target)
    through = [e for e in connected if link is not None and e.data.get("link") == link]
    if not through:
        return saw_nothing("the baseline's connection was not seen in the proxy", [passed])
    later = observed(trace, "process.started", "fault.injected")
    if later and later[0].mono_ns < passed.mono_ns:
        what = "an attempt was started" if later[0].kind == "process.started" else "a fault was on"
        return saw_nothing(f"{what} before the baseline was taken", [later[0], passed])
    return holds(f"a query through the proxy of {target} worked", [through[0], passed])


def _uses(trace: Trace, started: Event, target: str) -> list[Event]:
    """How a phase, or a life that has `started`, came to the target's proxy before its end."""
    phase = started.data.get("phase")
    ends = trace.of(*PHASE_ENDS, life=started.life, phase=phase) if phase else []
    ends = of_process(started, ends)
    ends += observed(trace, "process.exited", life=started.life)
    after = [e for e in sorted(ends, key=lambda e: e.mono_ns) if e.mono_ns >= started.mono_ns]
    until_ns = after[0].mono_ns if after else trace.events[-1].mono_ns

    def own(*kinds: str) -> list[Event]:
        seen = observed(trace, *kinds, life=started.life, target=target)
        in_time = [e for e in seen if started.mono_ns <= e.mono_ns <= until_ns]
        return [e for e in in_time if is_own(trace, e)]

    if uses := own("link.opened", "gate.syn_seen") or own("name.asked"):
        return uses
    said = [
        (e, e.life) for e in trace.events if e.source == "app" and was_refused(trace, e, target)
    ]
    for fault in planned_faults(trace):
        if fault["target"] == target and fault["receipt"]["whose"] == "app":
            said += [(touch.event, touch.life) for touch in touches(trace, fault) if touch.is_weak]
    return [
        event
        for event, life in said
        if life == started.life and started.mono_ns <= event.mono_ns <= until_ns
    ]
