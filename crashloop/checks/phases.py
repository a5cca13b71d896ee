"""Which phase failed, how, and after how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop.checks.result import Result, holds, refuted, saw_nothing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crashloop.trace.event import Event, Trace

# A limit fires at or after its time; anything clearly earlier ended for another reason.
AT_LIMIT = 0.95

# Settings carry microseconds; a limit that is off by more than this is another limit.
SAME_LIMIT = 0.01


def phase_failed(
    trace: Trace, *, phase: str, times: int, errors: Sequence[str], at_limit: bool
) -> Result:
    """The phase failed in exactly `times` attempts, with one of `errors` in the chain.

    `errors` are the last parts of qualified exception names, or SQLSTATE classes like `08`.
    `at_limit`: it took its whole limit, the scenario's, so it waited and was not refused. How long
    it took is the app's word, and no more than the time between its two log lines.
    """
    failed = trace.of("phase.failed", phase=phase)
    if not failed:
        what, evidence = _instead(trace, phase)
        return refuted(f"phase {phase} never failed; {what}", evidence)
    planned_s = _planned_limit_s(trace, phase)
    for event in failed:
        if not matches(event.data, errors):
            return refuted(
                f"{_where(event)} failed with {error_chain(event.data)}, "
                "which is not a time-out or a connection error",
                [event],
            )
        limit_s = float(event.data["limit_s"])
        took_s = _took_s(trace, event)
        if planned_s and abs(limit_s * trace.scale / planned_s - 1) > SAME_LIMIT:
            return refuted(
                f"{_where(event)} ran under a limit of {limit_s * trace.scale:g} s, where the "
                f"scenario sets {planned_s:g} s",
                [event],
            )
        if at_limit and took_s < AT_LIMIT * limit_s:
            return refuted(
                f"{_where(event)} failed after {took_s * 1000:.0f} ms on this clock with "
                f"{error_chain(event.data)}, not at its limit of {limit_s * trace.scale:g} s: "
                "it ended early, where the incident hung",
                [event],
            )
    attempts = {event.attempt for event in failed}
    if len(attempts) != times:
        return refuted(
            f"phase {phase} failed {_times(len(attempts))}, not {_times(times)}"
            f"{_and_then(trace, failed)}",
            failed,
        )
    limit_s = float(failed[0].data["limit_s"]) * trace.scale
    took = ", ".join(f"{_took_s(trace, e) * trace.scale:.1f}" for e in failed)
    where = f" at its limit of {limit_s:g} s" if at_limit else ""
    return holds(
        f"phase {phase} failed {_times(times)}{where} (after {took} s) "
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
        went_on = last.kind in {"phase.completed", "phase.degraded"}
        if last.data["phase"] == phase and went_on:
            return refuted(f"attempt {one.attempt} died after phase {phase} had ended", [last, one])
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


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _took_s(trace: Trace, ended: Event) -> float:
    """How long the phase took on this clock: what the app says, bounded by its two log lines."""
    said_s = float(ended.data["duration_s"])
    started = trace.of("phase.started", attempt=ended.attempt, phase=ended.data["phase"])
    before_ns = [e.mono_ns for e in started if e.mono_ns <= ended.mono_ns]
    return min(said_s, (ended.mono_ns - max(before_ns)) / 1e9) if before_ns else said_s


def _planned_limit_s(trace: Trace, phase: str) -> float | None:
    """The limit that the scenario gave the phase, in the incident's seconds, where it gave one."""
    timers = (trace.scenario.get("app") or {}).get("timers_s") or {}
    named = (float(v) for k, v in timers.items() if k.endswith(f"PHASE_{phase.upper()}_LIMIT_S"))
    return next(named, None)


def _instead(trace: Trace, phase: str) -> tuple[str, list[Event]]:
    """What the phase did instead of failing, in words."""
    done = trace.of("phase.completed", "phase.degraded", phase=phase)
    if done:
        first = done[0]
        took_s = float(first.data["duration_s"]) * trace.scale
        limit_s = float(first.data["limit_s"]) * trace.scale
        how = "completed" if first.kind == "phase.completed" else "was degraded, not fatal,"
        what = f"in attempt {first.attempt} it {how} after {took_s:.1f} s of its {limit_s:g} s"
        return what, done
    if begun := trace.of("phase.started", phase=phase):
        return f"in attempt {begun[0].attempt} it began and did not end", begun
    if died := trace.of("phase.failed"):
        where = f"{_where(died[0])} failed with {error_chain(died[0].data)}"
        return f"it was never reached: {where}", died
    return "it was never reached", []


def _and_then(trace: Trace, failed: Sequence[Event]) -> str:
    """What came after the last failure, in words."""
    last = failed[-1].attempt
    if last is None:
        return ""
    ended = trace.of("phase.completed", "phase.degraded", phase=failed[-1].data["phase"])
    went_on = [e for e in ended if (e.attempt or 0) >= last]
    if went_on:
        how = "completed" if went_on[0].kind == "phase.completed" else "was degraded"
        return f"; in attempt {went_on[0].attempt} it {how}"
    if last + 1 not in set(trace.attempts()):
        return f"; nothing was started after attempt {last}"
    return ""
