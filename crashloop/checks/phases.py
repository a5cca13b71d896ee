"""Which phase failed, how, and after how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.lines import (
    PHASE_ENDS,
    by_process,
    error_chain,
    errors_of,
    matches,
    seconds,
    took_s,
)
from crashloop.checks.lives import (
    Replicas,
    deaths,
    for_replicas,
    is_too_often,
    of_replica,
    of_replicas,
)
from crashloop.checks.result import Result, holds, not_seen, refuted, saw_nothing
from crashloop.durations import plain, took
from crashloop.plural import often

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.model import Life
    from crashloop.trace.event import Event, Trace

# A limit fires at or after its time; anything clearly earlier ended for another reason.
AT_LIMIT = 0.95

# Settings carry microseconds; a limit that is off by more than this is another limit.
SAME_LIMIT = 0.01

_LINES = ("phase.started", *PHASE_ENDS)


def phase_failed(
    trace: Trace,
    *,
    phase: str,
    times: int,
    errors: Sequence[str],
    at_limit: bool,
    replicas: Replicas = "each",
) -> Result:
    """The phase failed in `times` lives of each replica, always with one of `errors`.

    `errors` are the last parts of qualified exception names, names of an errno like `EROFS`,
    SQLSTATEs like `57P03`, or SQLSTATE classes like `08`. `at_limit`: it took its whole limit, the
    scenario's, so it waited and was not refused. The duration is the app's own, at most the time
    between its two lines. Exactly `times` if there is one replica, else at least; "some": in at
    least one replica.
    """
    for event in of_replicas(trace, trace.of(*PHASE_ENDS, phase=phase)):
        if why := _other_limit(trace, event):
            return saw_nothing(why, [event])
    failed = of_replicas(trace, trace.of("phase.failed", phase=phase))
    for event in failed:
        if why := _other_failure(trace, event, errors, at_limit=at_limit):
            return refuted(why, [event])

    def often_enough(number: int) -> Result:
        own = of_replica(failed, number)
        found = len({event.life for event in own})
        if found < times or is_too_often(trace, found, times, replicas):
            return _miscounted(trace, number, phase, own, times)
        for event in own:
            if why := _unreadable(trace, event, at_limit=at_limit):
                return saw_nothing(f"{_where(trace, event)} failed, but its line {why}", [event])
        limit_s = seconds(own[0].data, "limit_s")
        lasted = took([took_s(trace, e) or 0.0 for e in own], limit_s=limit_s, scale=trace.scale)
        where = f" at its limit of {plain(limit_s * trace.scale)} s" if at_limit and limit_s else ""
        return holds(
            f"phase {phase} failed {often(found)}{where}, after {lasted}, "
            f"with {error_chain(own[0].data)}",
            own,
        )

    return for_replicas(trace, replicas, often_enough)


def last_phase(
    trace: Trace, *, phase: str, after: Sequence[str] | None = None, replicas: Replicas = "each"
) -> Result:
    """Every life that died had finished the phases `after` and died in `phase`.

    `after` are by default the app's phases before it. "each": lives of every replica died;
    "some": of at least one.
    """
    exits = deaths(trace)
    if not exits:
        return saw_nothing("no attempt died, so none has a last phase")
    if after is None:
        phases = (trace.scenario.get("app") or {}).get("phases") or []
        after = phases[: phases.index(phase)] if phase in phases else ()
    before = after

    def died_in_it(number: int) -> Result:
        evidence: list[Event] = []
        for died in of_replica(exits, number):
            phases = trace.of(*_LINES, life=died.life)
            if found := _elsewhere(trace, phases, died, phase, before):
                return found
            evidence.append(phases[-1])
        if not evidence:
            return saw_nothing("no attempt died, so none has a last phase")
        says = f"every attempt that died was in phase {phase}, its earlier phases done"
        return holds(says, evidence)

    if replicas == "some":
        for number in trace.replicas():
            if (found := died_in_it(number)).holds is False:
                return found
    return for_replicas(trace, replicas, died_in_it)


def _elsewhere(
    trace: Trace, phases: Sequence[Event], died: Event, phase: str, after: Sequence[str]
) -> Result | None:
    """Why a life did not die in the phase, with the phases `after` done; None if it did."""
    life = trace.name(died.life)
    name = phases[-1].data.get("phase") if phases else None
    if not isinstance(name, str):
        return saw_nothing(f"{life} did not log in which phase it died", [died])
    last = phases[-1]
    if name != phase:
        return refuted(
            f"{life} died in phase {name} ({error_chain(last.data)}), not in {phase}",
            [last, died],
        )
    if last.kind in {"phase.completed", "phase.degraded"}:
        return refuted(f"{life} died after phase {phase} had ended", [last, died])
    done = [e.data.get("phase") for e in phases if e.kind == "phase.completed"]
    if missing := next((name for name in after if name not in done), None):
        logged = [e for e in phases if e.data.get("phase") == missing]
        if not logged:
            return saw_nothing(f"{life} logged nothing of phase {missing}", [died])
        return refuted(f"{life} died without completing phase {missing}", [*logged, died])
    return None


def all_phases_done(trace: Trace, *, phases: Sequence[str]) -> Result:
    """The first life of each replica completed every phase of `phases`, in this order.

    Of a server with workers, each process that logged a phase did.
    """

    def done_in(number: int) -> Result:
        life = next(iter(trace.lives(number)), None)
        if life is None:
            return saw_nothing("no attempt was started")
        done = trace.of("phase.completed", life=life)
        logs = by_process(_named(trace, life)) or [[]]
        for log in logs:
            names = [e.data.get("phase") for e in log if e.kind == "phase.completed"]
            if names == list(phases):
                continue
            if not log:
                return saw_nothing(f"attempt {life.attempt} logged no phase")
            failed = [e for e in log if e.kind in {"phase.failed", "phase.degraded"}]
            completed = ", ".join(map(str, names)) or "none"
            says = f"attempt {life.attempt} completed the phases {completed}"
            return refuted(says, done + failed) if failed else not_seen(trace, says, done)
        each = f" in each of {len(logs)} workers" if len(logs) > 1 else ""
        return holds(f"attempt {life.attempt} completed all {len(phases)} phases{each}", done)

    return for_replicas(trace, "each", done_in)


def _other_failure(
    trace: Trace, event: Event, errors: Sequence[str], *, at_limit: bool
) -> str | None:
    """How this failure differs from the expected one; None if its line shows no difference."""
    if errors_of(event.data) and not matches(event.data, errors):
        return (
            f"{_where(trace, event)} failed with {error_chain(event.data)}, "
            "which is none of the expected errors"
        )
    limit_s, lasted_s = seconds(event.data, "limit_s"), took_s(trace, event)
    if at_limit and limit_s and lasted_s is not None and lasted_s < AT_LIMIT * limit_s:
        lasted = took([lasted_s], limit_s=limit_s, scale=trace.scale)
        return (
            f"{_where(trace, event)} failed after {lasted} with "
            f"{error_chain(event.data)}, not at its limit of {plain(limit_s * trace.scale)} s: "
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


def _named(trace: Trace, life: Life) -> list[Event]:
    """The lines of a life that name their phase."""
    return [e for e in trace.of(*_LINES, life=life) if isinstance(e.data.get("phase"), str)]


def _where(trace: Trace, event: Event) -> str:
    return f"phase {event.data.get('phase')} of {trace.name(event.life)}"


def _other_limit(trace: Trace, event: Event) -> str | None:
    """How the phase's limit differs from the scenario's; None where nothing shows that it does.

    An app that does not read the setting is not tested under the incident's limit.
    """
    variable, planned_s = _planned_limit(trace, str(event.data.get("phase")))
    limit_s = seconds(event.data, "limit_s")
    if not (limit_s and planned_s) or abs(limit_s * trace.scale / planned_s - 1) <= SAME_LIMIT:
        return None
    return (
        f"{_where(trace, event)} ran under a limit of {plain(limit_s * trace.scale)} s, where "
        f"the scenario sets {plain(planned_s)} s by {variable}"
    )


def _planned_limit(trace: Trace, phase: str) -> tuple[str, float | None]:
    """The variable of the app that sets the phase's limit, and its value in incident seconds.

    It holds a number, or `{knob}`; None if there is none of the usual name.
    """
    app = trace.scenario.get("app") or {}
    env, knobs = app.get("env") or {}, app.get("knobs") or {}
    suffix = f"PHASE_{phase.upper()}_LIMIT_S"
    variable = next((name for name in env if name.endswith(suffix)), "")
    value = str(env.get(variable, ""))
    if value.startswith("{") and value.endswith("}"):
        return variable, seconds(knobs, value[1:-1])
    try:
        return variable, seconds({variable: float(value)}, variable)
    except ValueError:
        return variable, None


def _miscounted(
    trace: Trace, number: int, phase: str, failed: Sequence[Event], times: int
) -> Result:
    """Why the phase failed in another number of a replica's lives, and what came after the last."""
    own = trace.lives(number)
    attempts = [event.attempt or 0 for event in failed]
    found = len(set(attempts))
    silent = [life for life in own if not _named(trace, life)]
    if silent and found < times:
        return saw_nothing(
            f"{trace.name(silent[0])} logged no phase, so nothing says whether phase {phase} failed"
        )
    if not failed:
        return _never_failed(trace, number, phase)
    says = f"phase {phase} failed {often(found)}, not {often(times)}"
    ended = of_replica(trace.of("phase.completed", "phase.degraded", phase=phase), number)
    if went_on := [e for e in ended if (e.attempt or 0) >= attempts[-1]]:
        how = "completed" if went_on[0].kind == "phase.completed" else "was degraded"
        return refuted(f"{says}; in {trace.name(went_on[0].life)} it {how}", failed)
    if found > times:
        return refuted(says, failed)
    if attempts[-1] + 1 not in {life.attempt for life in own}:
        says += f"; nothing was started after {trace.name(failed[-1].life)}"
    return not_seen(trace, says, failed)


def _never_failed(trace: Trace, number: int, phase: str) -> Result:
    """What the phase did in a replica instead of failing."""
    never = f"phase {phase} never failed"
    ended = trace.of("phase.completed", "phase.degraded", phase=phase)
    if done := of_replica(ended, number):
        first = done[0]
        how = "completed" if first.kind == "phase.completed" else "was degraded, not fatal,"
        after_s, limit_s = took_s(trace, first), seconds(first.data, "limit_s")
        after = "" if after_s is None else f" after {after_s * trace.scale:.1f} s"
        of_its = f" of its {plain(limit_s * trace.scale)} s" if after and limit_s else ""
        return refuted(f"{never}; in {trace.name(first.life)} it {how}{after}{of_its}", done)
    if begun := of_replica(trace.of("phase.started", phase=phase), number):
        says = f"{never}; in {trace.name(begun[0].life)} it began and did not end"
        return not_seen(trace, says, begun)
    for life in trace.lives(number):
        died = [e for e in _named(trace, life) if e.kind == "phase.failed"]
        if died:
            where = f"{_where(trace, died[0])} failed with {error_chain(died[0].data)}"
            return refuted(f"{never}; it was never reached: {where}", died)
    return not_seen(trace, f"{never}; it was never reached")
