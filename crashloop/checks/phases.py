"""Which phase failed, how, and after how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.exits import deaths
from crashloop.checks.lines import PHASE_ENDS, error_chain, errors_of, matches, seconds, took_s
from crashloop.checks.result import Result, holds, not_seen, refuted, saw_nothing
from crashloop.plural import often

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.trace.event import Event, Trace

# A limit fires at or after its time; anything clearly earlier ended for another reason.
AT_LIMIT = 0.95

# Settings carry microseconds; a limit that is off by more than this is another limit.
SAME_LIMIT = 0.01

_LINES = ("phase.started", *PHASE_ENDS)


def phase_failed(
    trace: Trace, *, phase: str, times: int, errors: Sequence[str], at_limit: bool
) -> Result:
    """The phase failed in exactly `times` attempts, with one of `errors`.

    `errors` are the last parts of qualified exception names, SQLSTATEs like `57P03`, or SQLSTATE
    classes like `08`. `at_limit`: it took its whole limit, the scenario's, so it waited and was not
    refused. The duration is the app's own, at most the time between its two lines.
    """
    for event in trace.of(*PHASE_ENDS, phase=phase):
        if why := _other_limit(trace, event):
            return saw_nothing(why, [event])
    failed = trace.of("phase.failed", phase=phase)
    for event in failed:
        if why := _other_failure(trace, event, errors, at_limit=at_limit):
            return refuted(why, [event])
    if len({event.attempt for event in failed}) != times:
        return _miscounted(trace, phase, failed, times)
    for event in failed:
        if why := _unreadable(trace, event, at_limit=at_limit):
            return saw_nothing(f"{_where(event)} failed, but its line {why}", [event])
    limits = [seconds(event.data, "limit_s") or 0.0 for event in failed]
    took = ", ".join(f"{(took_s(trace, e) or 0.0) * trace.scale:.1f}" for e in failed)
    where = f" at its limit of {limits[0] * trace.scale:g} s" if at_limit else ""
    return holds(
        f"phase {phase} failed {often(times)}{where} (after {took} s) "
        f"with {error_chain(failed[0].data)}",
        failed,
    )


def last_phase(trace: Trace, *, phase: str, after: Sequence[str]) -> Result:
    """Every attempt that died had finished the phases `after` and died in `phase`."""
    exits = deaths(trace)
    if not exits:
        return saw_nothing("no attempt died, so none has a last phase")
    evidence: list[Event] = []
    for one in exits:
        phases = trace.of(*_LINES, attempt=one.attempt)
        name = phases[-1].data.get("phase") if phases else None
        if not isinstance(name, str):
            return saw_nothing(f"attempt {one.attempt} did not log in which phase it died", [one])
        last = phases[-1]
        if name != phase:
            return refuted(
                f"attempt {one.attempt} died in phase {name} ({error_chain(last.data)}), "
                f"not in {phase}",
                [last, one],
            )
        if last.kind in {"phase.completed", "phase.degraded"}:
            return refuted(f"attempt {one.attempt} died after phase {phase} had ended", [last, one])
        done = [e.data.get("phase") for e in phases if e.kind == "phase.completed"]
        if missing := [name for name in after if name not in done]:
            return _incomplete(phases, missing[0], one)
        evidence.append(last)
    return holds(f"every attempt that died was in phase {phase}, its earlier phases done", evidence)


def _incomplete(phases: Sequence[Event], missing: str, died: Event) -> Result:
    """An attempt that died without completing an earlier phase, as far as it logged that phase."""
    logged = [e for e in phases if e.data.get("phase") == missing]
    if not logged:
        return saw_nothing(f"attempt {died.attempt} logged nothing of phase {missing}", [died])
    says = f"attempt {died.attempt} died without completing phase {missing}"
    return refuted(says, [*logged, died])


def all_phases_done(trace: Trace, *, phases: Sequence[str]) -> Result:
    """The first attempt completed every phase of `phases`, in this order."""
    done = trace.of("phase.completed", attempt=1)
    names = [event.data.get("phase") for event in done]
    if names == list(phases):
        return holds(f"attempt 1 completed all {len(names)} phases", done)
    if not _named(trace, *_LINES, attempt=1):
        return saw_nothing("attempt 1 logged no phase")
    failed = trace.of("phase.failed", "phase.degraded", attempt=1)
    says = f"attempt 1 completed the phases {', '.join(map(str, names)) or 'none'}"
    return refuted(says, done + failed) if failed else not_seen(trace, says, done)


def _other_failure(
    trace: Trace, event: Event, errors: Sequence[str], *, at_limit: bool
) -> str | None:
    """How this failure differs from the expected one; None if its line shows no difference."""
    if errors_of(event.data) and not matches(event.data, errors):
        return (
            f"{_where(event)} failed with {error_chain(event.data)}, "
            "which is not a time-out or a connection error"
        )
    limit_s, lasted_s = seconds(event.data, "limit_s"), took_s(trace, event)
    if at_limit and limit_s and lasted_s is not None and lasted_s < AT_LIMIT * limit_s:
        return (
            f"{_where(event)} failed after {lasted_s * 1000:.0f} ms on this clock with "
            f"{error_chain(event.data)}, not at its limit of {limit_s * trace.scale:g} s: "
            "it ended early, where the incident hung"
        )
    return None


def _unreadable(trace: Trace, event: Event, *, at_limit: bool) -> str | None:
    """What the line of a failed phase does not say; None if it says enough."""
    if not errors_of(event.data):
        return "names no error"
    if took_s(trace, event) is None:
        return "does not say after how long"
    if at_limit and not seconds(event.data, "limit_s"):
        return "names no limit, so nothing says whether the phase ended at it"
    return None


def _named(trace: Trace, *kinds: str, attempt: int | None = None) -> list[Event]:
    """The lines of these kinds that name their phase."""
    return [e for e in trace.of(*kinds, attempt=attempt) if isinstance(e.data.get("phase"), str)]


def _where(event: Event) -> str:
    return f"phase {event.data.get('phase')} of attempt {event.attempt}"


def _other_limit(trace: Trace, event: Event) -> str | None:
    """How the phase's limit differs from the scenario's; None where nothing shows that it does.

    An app that does not read the setting is not tested under the incident's limit.
    """
    timers = (trace.scenario.get("app") or {}).get("timers_s") or {}
    suffix = f"PHASE_{str(event.data.get('phase')).upper()}_LIMIT_S"
    setting = next((key for key in timers if key.endswith(suffix)), "")
    limit_s, planned_s = seconds(event.data, "limit_s"), seconds(timers, setting)
    if not (limit_s and planned_s) or abs(limit_s * trace.scale / planned_s - 1) <= SAME_LIMIT:
        return None
    return (
        f"{_where(event)} ran under a limit of {limit_s * trace.scale:g} s, where the scenario "
        f"sets {planned_s:g} s by {setting}"
    )


def _miscounted(trace: Trace, phase: str, failed: Sequence[Event], times: int) -> Result:
    """Why the phase failed in another number of attempts, and what came after the last."""
    attempts = [event.attempt or 0 for event in failed]
    spoke = {e.attempt for e in _named(trace, *_LINES)}
    silent = [number for number in trace.attempts() if number not in spoke]
    if silent and len(set(attempts)) < times:
        return saw_nothing(
            f"attempt {silent[0]} logged no phase, so nothing says whether phase {phase} failed"
        )
    if not failed:
        return _never_failed(trace, phase)
    says = f"phase {phase} failed {often(len(set(attempts)))}, not {often(times)}"
    ended = trace.of("phase.completed", "phase.degraded", phase=phase)
    if went_on := [e for e in ended if (e.attempt or 0) >= attempts[-1]]:
        how = "completed" if went_on[0].kind == "phase.completed" else "was degraded"
        return refuted(f"{says}; in attempt {went_on[0].attempt} it {how}", failed)
    if len(set(attempts)) > times:
        return refuted(says, failed)
    if attempts[-1] + 1 not in trace.attempts():
        says += f"; nothing was started after attempt {attempts[-1]}"
    return not_seen(trace, says, failed)


def _never_failed(trace: Trace, phase: str) -> Result:
    """What the phase did instead of failing."""
    never = f"phase {phase} never failed"
    if done := trace.of("phase.completed", "phase.degraded", phase=phase):
        first = done[0]
        how = "completed" if first.kind == "phase.completed" else "was degraded, not fatal,"
        after_s, limit_s = took_s(trace, first), seconds(first.data, "limit_s")
        after = "" if after_s is None else f" after {after_s * trace.scale:.1f} s"
        of_its = f" of its {limit_s * trace.scale:g} s" if after and limit_s else ""
        return refuted(f"{never}; in attempt {first.attempt} it {how}{after}{of_its}", done)
    if begun := trace.of("phase.started", phase=phase):
        says = f"{never}; in attempt {begun[0].attempt} it began and did not end"
        return not_seen(trace, says, begun)
    if died := _named(trace, "phase.failed"):
        where = f"{_where(died[0])} failed with {error_chain(died[0].data)}"
        return refuted(f"{never}; it was never reached: {where}", died)
    return not_seen(trace, f"{never}; it was never reached")
