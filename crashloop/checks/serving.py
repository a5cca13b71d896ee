"""When the app's port opened, and which connections its lives left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.connections import is_own
from crashloop.checks.lives import deaths, lives, observed, of_replicas
from crashloop.checks.result import Result, holds, not_seen, refuted, saw_nothing
from crashloop.plural import counted
from crashloop.trace.event import SESSIONS_COUNTED

if TYPE_CHECKING:
    from crashloop.trace.event import Event, Trace


def no_port_before_ready(trace: Trace, *, by_answers: bool = False) -> Result:
    """In no life did the app's port accept a connection before start-up was complete.

    `by_answers`: the app logs no start-up, so it must have been ready at the first answer.
    """
    watched = [e for e in observed(trace, "port.watched") if e.data.get("probes")]
    if not watched or not {e.life for e in watched} >= set(lives(trace)):
        return saw_nothing("the app's port was not watched in every attempt", watched)
    opened = of_replicas(trace, observed(trace, "port.opened"))
    for event in opened:
        if found := (_early_by_answers if by_answers else _early_by_lines)(trace, event):
            return found
    if not opened:
        return saw_nothing("the app's port never opened, so it may serve on another one", watched)
    return holds("the app's port stayed shut until start-up was complete", [*watched, *opened])


def port_before_ready(trace: Trace) -> Result:
    """Each life that died had opened its port before its start-up was complete."""
    exits = deaths(trace)
    if not exits:
        return not_seen(trace, "no attempt died on its own")
    evidence: list[Event] = []
    for died in exits:
        name = trace.name(died.life)
        watched = observed(trace, "port.watched", life=died.life)
        if not any(e.data.get("probes") for e in watched):
            return saw_nothing(f"the port of {name} was not watched", [died])
        opened = next(iter(observed(trace, "port.opened", life=died.life)), None)
        if opened is None:
            return refuted(f"{name} died before it opened its port", [*watched, died])
        early = _early_by_lines(trace, opened)
        if early is None:
            return refuted(f"{name} opened its port once start-up was complete", [opened, died])
        if early.holds is None:
            return early
        evidence += [opened, died]
    who = counted(len(exits), "attempt")
    return holds(f"{who} opened the port before start-up was complete, and died", evidence)


def _early_by_answers(trace: Trace, opened: Event) -> Result | None:
    """Why a port may not have stayed shut, by what the life answered; None if it did."""
    name = trace.name(opened.life)
    is_early = opened_too_early(trace, opened)
    if is_early is None:
        return saw_nothing(f"{name} was ended before it could answer", [opened])
    answers = observed(trace, "ready.answered", life=opened.life)
    says = f"{name} opened its port before it was ready"
    return refuted(says, [opened, *answers[:1]]) if is_early else None


def _early_by_lines(trace: Trace, opened: Event) -> Result | None:
    """Why a port may not have stayed shut, by what the life logged; None if it did."""
    name = trace.name(opened.life)
    done = trace.first("startup.completed", life=opened.life)
    if done is None and not trace.of("startup.started", life=opened.life):
        return saw_nothing(f"{name} logged nothing of its start-up", [opened])
    if done is None or done.mono_ns > opened.mono_ns:
        return refuted(f"{name} opened its port before start-up was complete", [opened])
    return None


def opened_too_early(trace: Trace, opened: Event) -> bool | None:
    """Whether a life's port opened before it was ready; None if nothing shows it.

    The first question whether a life is ready follows at once when its port opens. A life that was
    ended before it could answer shows nothing, and one that died before has never been ready.
    """
    if answers := observed(trace, "ready.answered", life=opened.life):
        return answers[0].data.get("ready") is not True
    ended = observed(trace, "process.exited", life=opened.life)
    return True if ended and not ended[0].data.get("requested") else None


def listened_elsewhere(trace: Trace, *, elsewhere: str) -> Result:
    """Each life that died had listened, and not where it was asked, as the kernel's table says.

    `elsewhere` is "port" if it was another port, "address" if another address of the same port.
    """
    exits = deaths(trace)
    if not exits:
        return not_seen(trace, "no attempt died on its own")
    evidence: list[Event] = []
    for died in exits:
        name = trace.name(died.life)
        found = observed(trace, "process.listens", life=died.life)
        if not found:
            return saw_nothing(f"nothing says where {name} listened", [died])
        where = found[-1].data.get("elsewhere")
        if where != elsewhere:
            is_at = f"at another {where} than" if where else "where"
            return refuted(f"{name} listened {is_at} it was asked", [found[-1], died])
        evidence.append(found[-1])
    says = f"{counted(len(exits), 'attempt')} listened at another {elsewhere} than it was asked at"
    return holds(says, evidence)


def no_connection_left(trace: Trace, *, target: str) -> Result:
    """After a life's end, none of its sessions in the target was left.

    Nothing is known if the harness did not count, was never shown to see such a session, or
    where no life reached the target, so that none had a session to leave.
    """
    exits = of_replicas(trace, observed(trace, "process.exited"))
    counted = of_replicas(trace, observed(trace, SESSIONS_COUNTED, target=target))
    counts = {e.life: e.data.get("count") for e in counted}
    if not exits or not all(isinstance(counts.get(e.life), int) for e in exits):
        says = f"sessions in {target} were not counted after every exit"
        return saw_nothing(says, counted)
    for event in counted:
        if count := int(event.data["count"]):
            what = "1 connection" if count == 1 else f"{count} connections"
            return refuted(f"{trace.name(event.life)} left {what} in {target}", [event])
    baseline = next(iter(observed(trace, "baseline.passed", target=target)), None)
    if baseline is None or not baseline.data.get("sessions"):
        return saw_nothing("the harness was never shown to see a session of the app's role")
    reached = [e for e in observed(trace, "link.connected", target=target) if is_own(trace, e)]
    if not reached:
        says = f"no attempt reached {target}, so none had a connection to leave"
        return saw_nothing(says)
    return holds(f"no attempt left a connection in {target}", [baseline, reached[0], *counted])
