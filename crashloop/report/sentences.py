"""What happened, in sentences made from a history and from nothing else. Pure."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from crashloop.plural import counted, often
from crashloop.report.history import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.report.history import AttemptSpan, FaultSpan, History

MAX_GROUPS = 12
MAX_TIMES = 6


def sentences(history: History) -> Iterator[str]:
    """What happened, in order, one sentence or two for each thing."""
    if not history.lab_ready:
        yield "The run ended before Postgres, cache and proxy were up."
    elif history.baseline:
        yield "Before any fault, a query through the proxy to Postgres worked."
    else:
        yield "The path through the proxy to Postgres was not shown to work before the first fault."
    for fault in history.faults:
        yield _fault(history, fault)
    if not history.faults and history.role == "control":
        yield "No fault was injected: this is the control run."
    said = [*_attempts(history), *_heals(history)]
    yield from (sentence for _, sentence in sorted(said, key=lambda one: one[0]))
    yield from _serving(history)
    yield from _golden(history)
    yield from _ending(history)


def clock_note(history: History) -> str:
    """What the time scale means for a reader; empty in real time."""
    if not history.is_scaled:
        return ""
    factor = f"{history.scale:g}"
    divided = "every limit, delay and back-off is"
    work = "starting a process, imports, queries"
    if history.is_on_docker:
        divided = "every limit and delay, but not Docker's own back-off, is"
        work = "starting a container, imports, queries"
    return (
        f"x{factor}: {divided} divided by {factor}, so 1 s here is "
        f"{factor} s of the incident. Real work ({work}) takes as "
        f"long as it always does, so it looks {factor} times longer on the incident's clock."
    )


def _fault(history: History, fault: FaultSpan) -> str:
    if not fault.plugged:
        return (
            f"Fault {fault.name} ({fault.says}) was planned, but the injector was unplugged: "
            "nothing was injected."
        )
    injected = f"Fault {fault.name} was injected: {fault.says}."
    if fault.grade == "client":
        return f"{injected} The app's own refused connection shows it."
    if not fault.receipts:
        return f"{injected} Nothing shows that it touched a connection of the app."
    touched = often(fault.receipts)
    return f"{injected} It touched the app {touched}, as {_witness(history, fault)}."


def _witness(history: History, fault: FaultSpan) -> str:
    """Who saw it, and the verb."""
    if history.is_on_docker and fault.kind != "hold":
        return "the packets at Toxiproxy's port show"
    return "a SYN_SENT socket of the app shows" if fault.grade == "kernel" else "the proxy shows"


def _heals(history: History) -> Iterator[tuple[float, str]]:
    for fault in history.faults:
        if fault.healed and fault.plugged:
            why = f" Trigger: {fault.trigger}." if fault.trigger else ""
            when = _span(history, fault.end_s)
            yield fault.end_s, f"Fault {fault.name} was healed at {when}.{why}"


def _attempts(history: History) -> Iterator[tuple[float, str]]:
    """Sentences with the instant that they begin at."""
    if not history.attempts:
        yield 0.0, "The app was never started."
    groups = [list(found) for _, found in groupby(history.attempts, key=_fate)]
    skipped = len(groups) - MAX_GROUPS
    if skipped > 0:
        earlier = sum(len(g) for g in groups[:skipped])
        yield 0.0, f"{counted(earlier, 'earlier attempt')} ended in other ways; see the timeline."
    for group in groups[max(0, skipped) :]:
        yield group[0].start_s, _group(history, group)


def _fate(attempt: AttemptSpan) -> tuple[object, ...]:
    """What makes two attempts the same to a reader."""
    phase = attempt.last_phase
    bad = tuple((p.name, p.outcome, p.error) for p in attempt.phases if p.outcome in _NOT_DONE)
    return attempt.died, attempt.exit, phase.name if phase else "", bad


_NOT_DONE = (Outcome.FAILED, Outcome.DEGRADED, Outcome.CUT)


def _group(history: History, group: Sequence[AttemptSpan]) -> str:
    first, last = group[0], group[-1]
    who = f"Attempt {first.number}"
    if len(group) > 1:
        who = f"Attempts {first.number} to {last.number}"
    phases = [
        _phase(history, group, i) for i, p in enumerate(first.phases) if p.outcome in _NOT_DONE
    ]
    if first.last_phase is None:
        phases = ["no start-up phase began"]
    elif not phases:
        phases = [_progress(first)]
    said = "; ".join(phases)
    if not first.died:
        return f"{who}: {said}."
    each = " each time" if len(group) > 1 else ""
    return (
        f"{who}: {said}; the process died with {first.exit}{each}, and {_follows(history, group)}."
    )


def _follows(history: History, group: Sequence[AttemptSpan]) -> str:
    who = "Docker" if history.is_on_docker else "the platform"
    if group[-1].number < history.attempts[-1].number:
        return f"{who} restarted it"
    if len(group) == 1:
        return f"{who} did not restart it"
    return f"{who} restarted it {often(len(group) - 1)} and then no more"


def _progress(attempt: AttemptSpan) -> str:
    done = [p.name for p in attempt.phases if p.outcome is Outcome.COMPLETED]
    running = [p.name for p in attempt.phases if p.outcome is Outcome.RUNNING]
    said = [f"{counted(len(done), 'phase')} completed, the last one {done[-1]}"] if done else []
    return "; ".join(said + [f"phase {name} was still running" for name in running])


def _phase(history: History, group: Sequence[AttemptSpan], index: int) -> str:
    spans = [attempt.phases[index] for attempt in group]
    one = spans[0]
    # For a phase that was refused at once, show the time that really passed.
    quick = history.is_scaled and one.took_s < (one.limit_s or 0.0) / 10
    times = [s.took_s if quick else history.incident_s(s.took_s) for s in spans]
    shown = ", ".join(f"{t:.3f}" if quick else f"{t:.1f}" for t in times[:MAX_TIMES])
    shown += ", ..." if len(times) > MAX_TIMES else ""
    clock = " s of real time" if quick else " s"
    limit = ""
    if one.limit_s:
        limit = f" (its limit: {history.incident_s(one.limit_s):g} s)"
    verb = {
        Outcome.FAILED: "failed",
        Outcome.DEGRADED: "did not succeed, and the app continued without it,",
    }.get(one.outcome, "was cut short")
    error = f" with {one.error}" if one.error else ""
    return f"phase {one.name} {verb} after {shown}{clock}{limit}{error}"


def death(died: Sequence[AttemptSpan]) -> str:
    """How attempts died, in half a sentence; `died` is not empty."""
    first = died[0]
    same = [attempt for attempt in died if _fate(attempt) == _fate(first)]
    phase = first.last_phase
    where = "no start-up phase began" if phase is None else f"phase {phase.name} was the last"
    if phase is not None and phase.outcome is Outcome.FAILED:
        took = f"{phase.took_s * 1000:.0f} ms" if phase.took_s < 1 else f"{phase.took_s:.1f} s"
        error = f" with {phase.error}" if phase.error else ""
        where = f"phase {phase.name} failed after {took} here{error}"
    rest = len(died) - len(same)
    others = f", and {counted(rest, 'other attempt')} died in another way" if rest else ""
    return f"{where} and the app died with {first.exit}, {often(len(same))}{others}"


def _serving(history: History) -> Iterator[str]:
    heals = [f.end_s for f in history.faults if f.healed and f.plugged]
    for attempt in history.attempts:
        early = attempt.serves_s is not None and attempt.serves_s != attempt.ready_s
        if early and attempt.serves_s is not None:
            when = _span(history, attempt.serves_s)
            yield f"Attempt {attempt.number} served from {when} on, before it was fully ready."
        if attempt.ready_s is not None:
            after = [attempt.ready_s - h for h in heals if attempt.ready_s >= h]
            later = f", {_span(history, min(after))} after the heal" if after else ""
            when = _span(history, attempt.ready_s)
            yield f"Attempt {attempt.number} was ready at {when}{later}."
            return
    if history.attempts:
        yield "No attempt became ready."


def _golden(history: History) -> Iterator[str]:
    golden = history.golden
    if golden.row:
        yield (
            "A user's chat message was answered, listed again, and stored as row "
            f"{golden.row} in Postgres: the golden path works."
        )
    elif golden.failed:
        yield f"The golden path failed: {golden.failed}."
    elif golden.answered:
        yield "A user's chat message was answered, but never found in Postgres."


def _ending(history: History) -> Iterator[str]:
    ending = history.ending
    if ending.gave_up:
        yield f"The platform gave up: {ending.gave_up}."
    if ending.how == "the deadline passed":
        yield "The run reached its deadline and was ended."
    if ending.interrupted:
        yield "The run was interrupted from outside."
    if ending.refused:
        yield f"The run was refused: {ending.refused}."
    if ending.failure:
        yield f"The harness broke: {ending.failure}."
    if not ending.how:
        yield "The trace has no end: the run was killed, or is still running."
    if ending.torn:
        yield "The trace's last line is torn off and was left out."


def _span(history: History, wall_s: float) -> str:
    if not history.is_scaled:
        return f"{wall_s:.1f} s"
    return f"{history.incident_s(wall_s):.0f} s ({wall_s:.1f} s here)"
