"""From a trace to the outcome: what became of the user's own app, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop.checks import CHECKS
from crashloop.checks.control import control_passed
from crashloop.checks.ends import code_of, how_ended, somebody_elses_kill
from crashloop.checks.lives import deaths, in_control, killed, observed, of_replicas
from crashloop.checks.result import UNREADABLE, Result
from crashloop.checks.touches import OF_REPLICAS, periods, planned_faults, touches
from crashloop.judge import ended_early
from crashloop.model import ALONE, Fate, Grade, Outcome
from crashloop.outcome.flags import flags_of, port_before_ready
from crashloop.outcome.recovery import Recovery, recovery_of
from crashloop.outcome.room import has_room
from crashloop.outcome.under_fault import not_survived, straddling, tries_under_fault
from crashloop.plural import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.checks.touch import Touch
    from crashloop.trace.event import Event, Trace

NEVER = ("setup", "died", "not_ready", "ready_path")
"""What can fail in the control life so that the app never started; else its entry is wrong."""

# What the verdict about the incident needs besides. An app that came to its dependency in some
# lives only, such as one that opens it at the first request, has an outcome all the same.
NOT_NEEDED = ("path_used",)

RECEIPTS = ("faults_have_receipts", "receipts_not_contradicted")
"""What a fault that left the app room enough has not."""

SERVICE = "tcp"
"""The kind of a dependency that the user runs."""


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
    if found := _not_tested(trace, died):
        return found
    recovery = recovery_of(trace)
    reason = not_survived(trace, died)
    if has_room(trace):
        return _beside_old_revision(died, reason, recovery)
    if not recovery.is_complete:
        return Outcome.NOT_RECOVERED, _with_deaths(died, recovery.why), died
    if not reason:
        return Outcome.SURVIVED, "it was ready and served its users under the fault", ()
    if reason.holds is None:
        return Outcome.INCONCLUSIVE, reason.says, ()
    why = _with_deaths(died, "" if died else reason.says)
    says = f"{why}, and it was back {recovery.words}"
    return Outcome.RECOVERED, says, (*died, *recovery.evidence)


def _beside_old_revision(
    died: Sequence[Event], reason: Result | None, recovery: Recovery
) -> tuple[Outcome, str, Sequence[Event]]:
    """The outcome of an app to which nothing was refused: what failed is not of this outage."""
    room = "no server refused a connection"
    # The old revision may be ended as soon as the new one is ready, before a journey is tried.
    if (reason is None or reason.holds is None) and recovery.is_complete:
        return Outcome.SURVIVED, f"{room}: all instances fit beside the old revision", ()
    why = reason.says if reason else recovery.why
    return Outcome.INCONCLUSIVE, f"{why}, yet {room}, so it has another cause", died


def _not_tested(trace: Trace, died: Sequence[Event]) -> tuple[Outcome, str, Sequence[Event]] | None:
    """The outcome of a run that was no fair test of the app; None if it was one."""
    if ended := ended_early(trace):
        return Outcome.INCONCLUSIVE, ended[1], ()
    if failed := in_control(trace, "control.failed"):
        never = failed[0].data.get("what") in NEVER
        outcome = Outcome.NEVER_STARTED if never else Outcome.INCONCLUSIVE
        return outcome, f"without a fault, {failed[0].data.get('why')}", failed
    is_cut_off = trace.first("run.finished") is None
    untouched = "" if has_room(trace) else _untouched(trace)
    if why := "the run did not finish" if is_cut_off else untouched:
        return Outcome.INCONCLUSIVE, _with_deaths(died, why), died
    if why := _unfair(trace):
        return Outcome.INCONCLUSIVE, why, died
    recovery = recovery_of(trace)
    if not recovery.is_known:
        why = f"{recovery.why}, when the run ended before its time to recover had passed"
        return Outcome.INCONCLUSIVE, _with_deaths(died, why), died
    return None


def _unfair(trace: Trace) -> str:
    """Why nothing can be said about the app; "" if the run was a fair test."""
    not_needed = NOT_NEEDED + (RECEIPTS if has_room(trace) else ())
    for name, result in _required(trace):
        if name not in not_needed and not result.holds:
            return result.says
    return somebody_elses_kill(trace) or _service_down(trace)


def _service_down(trace: Trace) -> str:
    """That a service of the user's own took no connection, which no fault can do; "" if all did.

    Faults act on the path to it: the proxy still reaches it, or does not try to.
    """
    known = trace.scenario.get("dependencies") or ()
    services = {each["name"] for each in known if each.get("kind") == SERVICE}
    failed = [e for e in observed(trace, "link.failed") if e.target in services]
    if not failed:
        return ""
    error = failed[0].data.get("error")
    return f"the service {failed[0].target} itself took no connection ({error}), without any fault"


def _untouched(trace: Trace) -> str:
    """That no fault touched the app, as far as is known; "" if one did."""
    faults = planned_faults(trace)
    if not faults:
        return "no fault was planned, so there was nothing to survive"
    touched = [touch for fault in faults for touch in touches(trace, fault)]
    if any(not _is_only_by_time(touch) for touch in touched):
        return ""
    if touched and (_came(trace) or not recovery_of(trace).is_complete):
        return ""
    return _nothing_shows(trace) if _was_on(trace) else "no fault was injected"


def _nothing_shows(trace: Trace) -> str:
    """Which observation there is none of, by the faults that were on."""
    if _is_by_lines(trace):
        return f"no line of its log says that {_targets(trace)} refused it"
    if _is_of_processes(trace):
        return "nothing shows that a fault acted on its processes"
    if _to_give(trace):  # it may well have come, and not to what the fault acts on
        return f"nothing shows that a fault of {_targets(trace)} acted on it"
    return f"nothing shows that it came to {_targets(trace)} while a fault was on"


def _is_only_by_time(touch: Touch) -> bool:
    """Whether only its time says that a line is about the target, which may be about another."""
    return touch.is_weak and touch.event.source == "app"


def _came(trace: Trace) -> bool:
    """Whether a life ever came to what the faults act on.

    An app that works again and has never been there does not need it.
    """
    targets = {fault["target"] for fault in planned_faults(trace)}
    opened = of_replicas(trace, observed(trace, "link.opened"))
    return any(event.target in targets for event in opened)


def _was_on(trace: Trace) -> bool:
    """Whether a planned fault was injected, and not only in name."""
    return any(periods(trace, fault) for fault in planned_faults(trace))


def _is_by_lines(trace: Trace) -> bool:
    """Whether only lines of the app can show that a fault touched it."""
    return all(fault["receipt"]["whose"] == "app" for fault in planned_faults(trace))


def _is_of_processes(trace: Trace) -> bool:
    """Whether only the app's own processes can show that a fault touched it."""
    return all(
        fault["target"] == OF_REPLICAS and fault["receipt"]["grade"] == Grade.PROCESS
        for fault in planned_faults(trace)
    )


def _targets(trace: Trace) -> str:
    """What the faults act on: `postgres`; what the app depends on if they act on its instances."""
    named = {str(fault["target"]) for fault in planned_faults(trace)} - {OF_REPLICAS}
    known = {str(each["name"]) for each in trace.scenario.get("dependencies") or ()}
    return " or ".join(sorted(named or known))


def _required(trace: Trace) -> Iterator[tuple[str, Result]]:
    """What the run's own signature requires of a fair test."""
    signature: dict[str, Any] = trace.header.get("signature") or {}
    for spec in signature.get("require") or ():
        yield spec["check"], CHECKS[spec["check"]](trace, **spec["params"])


def _own_deaths(trace: Trace) -> list[Event]:
    """The deaths that count: any, or by the exit codes of the app's entry.

    An end by a signal, or by the platform's kill, is a death whatever the codes: they are about
    ends of its own will.
    """
    wanted = (trace.scenario.get("app") or {}).get("exit_codes") or ()
    return [
        event
        for event in deaths(trace)
        if not wanted
        or code_of(event) in wanted
        or event.data.get("exit_code") is None
        or killed(trace, event)
    ]


def _with_deaths(died: Sequence[Event], why: str) -> str:
    if not died:
        return why
    ways = sorted({how_ended(event) for event in died})
    says = f"it died {counted(len(died), 'time')} ({', '.join(ways)})"
    return f"{says}, and {why}" if why else says


def _advice(trace: Trace, outcome: Outcome) -> str:
    """What would help, in one sentence; "" if nothing has to, or nothing is known to."""
    if outcome in {Outcome.RECOVERED, Outcome.NOT_RECOVERED}:
        return str(trace.scenario.get("advice") or "")
    is_idle = control_passed(trace).holds and _was_on(trace) and not deaths(trace)
    if outcome is not Outcome.INCONCLUSIVE or not is_idle:
        return ""
    if not _untouched(trace):
        is_short = straddling(trace) and not tries_under_fault(trace)
        return "let the fault last longer than a try: -p heal_s=SECONDS" if is_short else ""
    if found := _to_give(trace):
        return found
    if _is_of_processes(trace):
        return ""
    lines = " and logs its errors" if _is_by_lines(trace) else ""
    return f"give a journey that uses {_targets(trace)}{lines}"


def _to_give(trace: Trace) -> str:
    """Which parameter lets a fault alone touch the app; "" if it is the journey that has to."""
    if not str(trace.scenario.get("incident")).startswith(ALONE):
        return ""
    return next((_GIVE.get(fault["kind"], "") for fault in planned_faults(trace)), "")


_GIVE = {
    "image_older": "name a column that its journey asks for: image_older:table=NAME,column=NAME",
    "lock_held": "lock what the app itself uses: lock_held:table=NAME, a table of its journey, or "
    "lock_held:advisory=KEY, the key of an advisory lock that it takes",
    "lock_orphaned": "give the key of an advisory lock that it takes: lock_orphaned:advisory=KEY",
    "memory_limit": "give a limit that it exceeds: memory_limit:limit_mib=MIB",
    "slow_query": "let its journey or its start change the schema: no other statement is slow",
}
"""What lets a fault alone touch the app, where that is in its parameters and not in the journey."""
