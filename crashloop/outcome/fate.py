"""From a trace to the outcome: what became of the user's own app, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop.checks import CHECKS
from crashloop.checks.control import in_control
from crashloop.checks.ends import code_of, how_ended, somebody_elses_kill
from crashloop.checks.lives import deaths, observed
from crashloop.checks.result import UNREADABLE, Result
from crashloop.checks.touches import planned_faults, touches
from crashloop.model import Fate, Outcome
from crashloop.outcome.flags import flags_of, port_before_ready
from crashloop.outcome.recovery import recovery_of
from crashloop.outcome.under_fault import not_survived
from crashloop.plural import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.trace.event import Event, Trace

NEVER = ("setup", "died", "not_ready", "ready_path")
"""What can fail in the control life so that the app never started; else its entry is wrong."""

# What the verdict about the incident needs besides: the outcome counts every dependency's faults,
# and an app that came to no dependency in one of its lives has an outcome all the same.
NOT_NEEDED = ("path_used",)


def fate_of(trace: Trace) -> Fate | None:
    """The outcome with its reason; None if the run was not one of the user's own app."""
    if not trace.scenario.get("is_own_app"):
        return None
    try:
        return _fate(trace)
    except UNREADABLE as error:
        why = f"the evidence could not be read ({type(error).__name__}: {error})"
        return Fate(outcome=Outcome.INCONCLUSIVE, why=why, flags={})


def _fate(trace: Trace) -> Fate:
    died = _own_deaths(trace)
    outcome, why, evidence = _decided(trace, died)
    recovery = recovery_of(trace)
    codes = tuple(code for event in died if (code := code_of(event)) is not None)
    is_over = outcome in {Outcome.SURVIVED, Outcome.RECOVERED}
    return Fate(
        outcome=outcome,
        why=why,
        deaths=len(died),
        exit_codes=codes,
        recovered_after_s=recovery.after_s if outcome is Outcome.RECOVERED else None,
        port_before_ready=port_before_ready(trace),
        flags=flags_of(trace),
        advice=_advice(trace, outcome),
        evidence=tuple(
            sorted({event.seq for event in (*evidence, *(recovery.evidence if is_over else ()))})
        ),
    )


def _decided(trace: Trace, died: Sequence[Event]) -> tuple[Outcome, str, Sequence[Event]]:
    """The outcome, why, and the events that show it."""
    if failed := in_control(trace, "control.failed"):
        never = failed[0].data.get("what") in NEVER
        outcome = Outcome.NEVER_STARTED if never else Outcome.INCONCLUSIVE
        return outcome, f"without a fault, {failed[0].data.get('why')}", failed
    if why := _unfair(trace):
        return Outcome.INCONCLUSIVE, why, ()
    recovery = recovery_of(trace)
    if not recovery.is_complete:
        return Outcome.NOT_RECOVERED, _with_deaths(died, recovery.why), died
    reason = not_survived(trace, died)
    if not reason:
        return Outcome.SURVIVED, "it was ready and served its users under the fault", ()
    if reason.holds is None:
        return Outcome.INCONCLUSIVE, reason.says, ()
    why = _with_deaths(died, "" if died else reason.says)
    return (
        Outcome.RECOVERED,
        f"{why}, and it was back {recovery.words}",
        (*died, *recovery.evidence),
    )


def _unfair(trace: Trace) -> str:
    """Why nothing can be said about the app; "" if the run was a fair test."""
    ended = trace.first("harness.failed", "run.interrupted", "run.refused")
    if ended is not None:
        return f"the run did not end as it should: {ended.data.get('message', ended.kind)}"
    if not planned_faults(trace):
        return "no fault was planned, so there was nothing to survive"
    if untouched := _untouched(trace):
        return untouched
    for name, result in _required(trace):
        if name not in NOT_NEEDED and not result.holds:
            return result.says
    return somebody_elses_kill(trace)


def _untouched(trace: Trace) -> str:
    """That no fault touched the app, with what would let one; "" if one did."""
    if any(touches(trace, fault) for fault in planned_faults(trace)):
        return ""
    injected = observed(trace, "fault.injected")
    if not injected or any(e.data.get("plugged") is False for e in injected):
        return "no fault was injected"
    targets = sorted({str(fault["target"]) for fault in planned_faults(trace)})
    what = f"the app never came to {' or '.join(targets)} while it was away"
    journey = (trace.scenario.get("app") or {}).get("journey") or {}
    has_steps = bool(journey.get("steps"))
    return f"{what}: give a journey that uses it" + (", its own does not" if has_steps else "")


def _required(trace: Trace) -> Iterator[tuple[str, Result]]:
    """What the run's own signature requires of a fair test."""
    signature: dict[str, Any] = trace.header.get("signature") or {}
    for spec in signature.get("require") or ():
        yield spec["check"], CHECKS[spec["check"]](trace, **spec["params"])


def _own_deaths(trace: Trace) -> list[Event]:
    """The deaths that count: by the exit codes of the app's entry, or all."""
    wanted = (trace.scenario.get("app") or {}).get("exit_codes") or ()
    return [event for event in deaths(trace) if not wanted or code_of(event) in wanted]


def _with_deaths(died: Sequence[Event], why: str) -> str:
    if not died:
        return why
    ways = sorted({how_ended(event) for event in died})
    says = f"it died {counted(len(died), 'time')} ({', '.join(ways)})"
    return f"{says}, and {why}" if why else says


def _advice(trace: Trace, outcome: Outcome) -> str:
    if outcome in {Outcome.SURVIVED, Outcome.NEVER_STARTED}:
        return ""
    if outcome is Outcome.INCONCLUSIVE and _untouched(trace):
        targets = sorted({str(fault["target"]) for fault in planned_faults(trace)})
        return f"give a journey that uses {' or '.join(targets)}" if targets else ""
    return "" if outcome is Outcome.INCONCLUSIVE else str(trace.scenario.get("advice") or "")
