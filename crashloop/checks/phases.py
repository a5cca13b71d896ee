"""Which phase failed, how, and after how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop.checks.result import Result, holds, refuted, saw_nothing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crashloop.trace.event import Event, Trace

# A limit fires at or after its time; anything clearly earlier ended for another reason.
AT_LIMIT = 0.95


def phase_failed(
    trace: Trace, *, phase: str, times: int, errors: Sequence[str], at_limit: bool
) -> Result:
    """The phase failed in exactly `times` attempts, with one of `errors` in the chain.

    `errors` are the last parts of qualified exception names, or SQLSTATE classes like `08`.
    `at_limit`: it took its whole limit, so it waited and was not refused.
    """
    failed = trace.of("phase.failed", phase=phase)
    if not failed:
        done = trace.of("phase.completed", "phase.degraded", phase=phase)
        return refuted(f"phase {phase} never failed; {_ended(trace, done)}", done)
    for event in failed:
        if not matches(event.data, errors):
            return refuted(
                f"{_where(event)} failed with {error_chain(event.data)}, "
                "which is not a time-out or a connection error",
                [event],
            )
        limit_s = float(event.data["limit_s"])
        took_s = float(event.data["duration_s"])
        if at_limit and took_s < AT_LIMIT * limit_s:
            return refuted(
                f"{_where(event)} failed after {took_s * 1000:.0f} ms on this clock with "
                f"{error_chain(event.data)}, not at its limit of {limit_s * trace.scale:g} s: "
                "refused at once, where the incident hung",
                [event],
            )
    if len(failed) != times:
        return refuted(f"phase {phase} failed {len(failed)} times, not {times}", failed)
    limit_s = float(failed[0].data["limit_s"]) * trace.scale
    took = ", ".join(f"{float(e.data['duration_s']) * trace.scale:.1f}" for e in failed)
    return holds(
        f"phase {phase} failed {times} times at its limit of {limit_s:g} s (after {took} s) "
        f"with {error_chain(failed[0].data)}",
        failed,
    )


def last_phase(trace: Trace, *, phase: str, after: Sequence[str]) -> Result:
    """Every attempt that died had finished the phases `after` and died in `phase`."""
    exits = [e for e in trace.of("process.exited") if not e.data.get("requested")]
    if not exits:
        return saw_nothing("no attempt died, so none has a last phase")
    evidence: list[Event] = []
    for one in exits:
        phases = trace.of(
            "phase.started",
            "phase.completed",
            "phase.failed",
            "phase.degraded",
            attempt=one.attempt,
        )
        if not phases:
            return saw_nothing(f"attempt {one.attempt} died before it logged any phase", [one])
        last = phases[-1]
        done = {e.data["phase"] for e in phases if e.kind == "phase.completed"}
        if last.data["phase"] != phase:
            return refuted(
                f"attempt {one.attempt} died in phase {last.data['phase']} "
                f"({error_chain(last.data)}), not in {phase}",
                [last, one],
            )
        if missing := [name for name in after if name not in done]:
            return refuted(
                f"attempt {one.attempt} died in phase {phase} without completing {missing[0]}",
                [last, one],
            )
        evidence.append(last)
    return holds(f"every attempt that died was in phase {phase}, its earlier phases done", evidence)


def all_phases_done(trace: Trace, *, phases: Sequence[str]) -> Result:
    """The first attempt completed every phase of `phases`, in this order."""
    done = trace.of("phase.completed", attempt=1)
    names = [event.data["phase"] for event in done]
    if names != list(phases):
        failed = trace.of("phase.failed", "phase.degraded", attempt=1)
        return refuted(
            f"attempt 1 completed the phases {', '.join(names) or 'none'}", done + failed
        )
    return holds(f"attempt 1 completed all {len(names)} phases", done)


def error_chain(data: Mapping[str, Any]) -> str:
    """The error chain of a failed phase in words: `TimeoutError <- CancelledError`."""
    links = []
    for error in data.get("error") or []:
        name = str(error.get("type", "?")).rsplit(".", 1)[-1]
        if error.get("sqlstate"):
            name += f" [{error['sqlstate']}]"
        links.append(name)
    return " <- ".join(links) or "no error logged"


def matches(data: Mapping[str, Any], errors: Sequence[str]) -> bool:
    """Whether any link of the error chain is one of `errors`, by name or SQLSTATE class."""
    for error in data.get("error") or []:
        name = str(error.get("type", "")).rsplit(".", 1)[-1]
        sqlstate = str(error.get("sqlstate") or "")
        if name in errors or sqlstate[:2] in errors:
            return True
    return False


def _where(event: Event) -> str:
    return f"phase {event.data['phase']} of attempt {event.attempt}"


def _ended(trace: Trace, done: Sequence[Event]) -> str:
    if not done:
        return "it was never reached"
    first = done[0]
    took_s = float(first.data["duration_s"]) * trace.scale
    limit_s = float(first.data["limit_s"]) * trace.scale
    how = "completed" if first.kind == "phase.completed" else "was degraded, not fatal,"
    return f"in attempt {first.attempt} it {how} after {took_s:.1f} s of its {limit_s:g} s"
