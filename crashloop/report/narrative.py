"""What happened, in sentences made from a story and from nothing else. Pure."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from crashloop.plural import counted, often
from crashloop.report.story import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.report.story import AttemptSpan, FaultSpan, Story

MAX_GROUPS = 12
MAX_TIMES = 6


def sentences(story: Story) -> Iterator[str]:
    """What happened, in order, one sentence or two for each thing."""
    if not story.lab_ready:
        yield "The run ended before Postgres, cache and proxy were up."
    elif story.baseline:
        yield "Before any fault, a query through the proxy to Postgres worked."
    else:
        yield "The path through the proxy to Postgres was not shown to work before the first fault."
    for fault in story.faults:
        yield _fault(story, fault)
    if not story.faults and story.role == "control":
        yield "No fault was put in: this is the control run."
    said = [*_attempts(story), *_heals(story)]
    yield from (sentence for _, sentence in sorted(said, key=lambda one: one[0]))
    yield from _serving(story)
    yield from _golden(story)
    yield from _ending(story)


def clock_note(story: Story) -> str:
    """What the time scale means for a reader; empty in real time."""
    if not story.is_scaled:
        return ""
    factor = f"{story.scale:g}"
    divided = "every limit, delay and back-off is"
    work = "starting a process, imports, queries"
    if story.is_on_docker:
        divided = "every limit and delay, but not Docker's own back-off, is"
        work = "starting a container, imports, queries"
    return (
        f"x{factor}: {divided} divided by {factor}, so 1 s here is "
        f"{factor} s of the incident. Real work ({work}) takes as "
        f"long as ever and so looks {factor} times longer on the incident's clock."
    )


def _fault(story: Story, fault: FaultSpan) -> str:
    if not fault.plugged:
        return (
            f"The fault {fault.name} ({fault.says}) was planned, but the injector was unplugged: "
            "nothing was put in."
        )
    put_in = f"The fault {fault.name} was put in: {fault.says}."
    if fault.grade == "client":
        return f"{put_in} Its witness is the app's own refused connection."
    if not fault.receipts:
        return f"{put_in} Nothing shows that it touched a connection of the app."
    touched = often(fault.receipts)
    return f"{put_in} It touched the app {touched}, witnessed by {_witness(story, fault)}."


def _witness(story: Story, fault: FaultSpan) -> str:
    """Who saw it."""
    if story.is_on_docker and fault.kind != "hold":
        return "the segments at Toxiproxy's port"
    return "a SYN_SENT socket of the app" if fault.grade == "kernel" else "the proxy"


def _heals(story: Story) -> Iterator[tuple[float, str]]:
    for fault in story.faults:
        if fault.healed and fault.plugged:
            why = f", on: {fault.trigger}" if fault.trigger else ""
            when = _span(story, fault.end_s)
            yield fault.end_s, f"The fault {fault.name} was healed at {when}{why}."


def _attempts(story: Story) -> Iterator[tuple[float, str]]:
    """Sentences with the instant that they begin at."""
    if not story.attempts:
        yield 0.0, "The app was never started."
    groups = [list(found) for _, found in groupby(story.attempts, key=_fate)]
    skipped = len(groups) - MAX_GROUPS
    if skipped > 0:
        earlier = sum(len(g) for g in groups[:skipped])
        yield 0.0, f"{counted(earlier, 'earlier attempt')} ended in other ways; see the timeline."
    for group in groups[max(0, skipped) :]:
        yield group[0].start_s, _group(story, group)


def _fate(attempt: AttemptSpan) -> tuple[object, ...]:
    """What makes two attempts the same to a reader."""
    phase = attempt.last_phase
    bad = tuple((p.name, p.outcome, p.error) for p in attempt.phases if p.outcome in _NOT_DONE)
    return attempt.died, attempt.exit, phase.name if phase else "", bad


_NOT_DONE = (Outcome.FAILED, Outcome.DEGRADED, Outcome.CUT)


def _group(story: Story, group: Sequence[AttemptSpan]) -> str:
    first, last = group[0], group[-1]
    who = f"Attempt {first.number}"
    if len(group) > 1:
        who = f"Attempts {first.number} to {last.number}"
    phases = [_phase(story, group, i) for i, p in enumerate(first.phases) if p.outcome in _NOT_DONE]
    if first.last_phase is None:
        phases = ["no phase of the start-up ever began"]
    elif not phases:
        phases = [_progress(first)]
    said = "; ".join(phases)
    if not first.died:
        return f"{who}: {said}."
    each = " each time" if len(group) > 1 else ""
    return f"{who}: {said}; the process died with {first.exit}{each}, {_follows(story, group)}."


def _follows(story: Story, group: Sequence[AttemptSpan]) -> str:
    who = "Docker" if story.is_on_docker else "the platform"
    if group[-1].number < story.attempts[-1].number:
        return f"{who} restarted it"
    if len(group) == 1:
        return f"{who} did not restart it"
    return f"{who} restarted it {often(len(group) - 1)} and then no more"


def _progress(attempt: AttemptSpan) -> str:
    done = [p.name for p in attempt.phases if p.outcome is Outcome.COMPLETED]
    running = [p.name for p in attempt.phases if p.outcome is Outcome.RUNNING]
    said = [f"{counted(len(done), 'phase')} completed, the last one {done[-1]}"] if done else []
    return "; ".join(said + [f"phase {name} was going on" for name in running])


def _phase(story: Story, group: Sequence[AttemptSpan], index: int) -> str:
    spans = [attempt.phases[index] for attempt in group]
    one = spans[0]
    # A phase that was refused at once is told in the time that really passed.
    quick = story.is_scaled and one.took_s < (one.limit_s or 0.0) / 10
    times = [s.took_s if quick else story.incident_s(s.took_s) for s in spans]
    shown = ", ".join(f"{t:.3f}" if quick else f"{t:.1f}" for t in times[:MAX_TIMES])
    shown += ", ..." if len(times) > MAX_TIMES else ""
    clock = " s on this clock" if quick else " s"
    limit = ""
    if one.limit_s:
        limit = f" (its limit: {story.incident_s(one.limit_s):g} s)"
    verb = {
        Outcome.FAILED: "failed",
        Outcome.DEGRADED: "did not succeed, and the app went on without it,",
    }.get(one.outcome, "was cut short")
    error = f" with {one.error}" if one.error else ""
    return f"phase {one.name} {verb} after {shown}{clock}{limit}{error}"


def death(died: Sequence[AttemptSpan]) -> str:
    """How attempts died, in half a sentence; `died` is not empty."""
    first = died[0]
    same = [attempt for attempt in died if _fate(attempt) == _fate(first)]
    phase = first.last_phase
    where = "before its first phase" if phase is None else f"in phase {phase.name}"
    if phase is not None and phase.outcome is Outcome.FAILED:
        took = f"{phase.took_s * 1000:.0f} ms" if phase.took_s < 1 else f"{phase.took_s:.1f} s"
        error = f" with {phase.error}" if phase.error else ""
        where = f"after phase {phase.name} had failed in {took} here{error}"
    rest = len(died) - len(same)
    others = f", and {counted(rest, 'other attempt')} died in another way" if rest else ""
    return f"the app died {where} ({first.exit}, {often(len(same))}){others}"


def _serving(story: Story) -> Iterator[str]:
    heals = [f.end_s for f in story.faults if f.healed and f.plugged]
    for attempt in story.attempts:
        early = attempt.serves_s is not None and attempt.serves_s != attempt.ready_s
        if early and attempt.serves_s is not None:
            when = _span(story, attempt.serves_s)
            yield f"Attempt {attempt.number} served from {when} on, before it was fully ready."
        if attempt.ready_s is not None:
            after = [attempt.ready_s - h for h in heals if attempt.ready_s >= h]
            later = f", {_span(story, min(after))} after the heal" if after else ""
            when = _span(story, attempt.ready_s)
            yield f"Attempt {attempt.number} was ready at {when}{later}."
            return
    if story.attempts:
        yield "No attempt ever called itself ready."


def _golden(story: Story) -> Iterator[str]:
    golden = story.golden
    if golden.row:
        yield (
            "A user's chat message was answered, listed again, and is row "
            f"{golden.row} in Postgres: the golden path is open."
        )
    elif golden.failed:
        yield f"The golden path failed: {golden.failed}."
    elif golden.answered:
        yield "A user's chat message was answered, but never found in Postgres."


def _ending(story: Story) -> Iterator[str]:
    ending = story.ending
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
        yield "The trace has no end: the run was killed, or it is still going on."
    if ending.torn:
        yield "The trace's last line is torn off and was left out."


def _span(story: Story, wall_s: float) -> str:
    if not story.is_scaled:
        return f"{wall_s:.1f} s"
    return f"{story.incident_s(wall_s):.0f} s ({wall_s:.1f} s here)"
