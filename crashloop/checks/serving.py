"""Readiness, recovery, the golden path: what a user of the app would have noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop.checks.connections import is_own
from crashloop.checks.exits import deaths
from crashloop.checks.receipts import phase_start_ns, planned_faults
from crashloop.checks.result import Result, holds, not_seen, refuted, saw_nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.trace.event import Event, Trace

HTTP_OK = 200
HTTP_REFUSALS = range(400, 500)
READY_PATH = "GET /health/ready"


def no_port_before_ready(trace: Trace) -> Result:
    """In no attempt did the app's port accept a connection before start-up was complete."""
    watched = [e for e in trace.of("port.watched") if e.data.get("probes")]
    if not watched or {e.attempt for e in watched} != set(trace.attempts()):
        return saw_nothing("the app's port was not watched in every attempt", watched)
    opened = trace.of("port.opened")
    for event in opened:
        done = trace.first("startup.completed", attempt=event.attempt)
        if done is None and not trace.of("startup.started", attempt=event.attempt):
            return saw_nothing(f"attempt {event.attempt} logged nothing of its start-up", [event])
        if done is None or done.mono_ns > event.mono_ns:
            return refuted(
                f"attempt {event.attempt} opened its port before start-up was complete", [event]
            )
    if not opened:
        return saw_nothing("the app's port never opened, so it may serve on another one", watched)
    return holds("the app's port stayed shut until start-up was complete", [*watched, *opened])


def recovered(trace: Trace) -> Result:
    """After the last heal, an attempt later than every dead one answered ready.

    No attempt that began phase database after the heal may fail in it.
    """
    healed = trace.of("fault.healed")
    if not healed:
        return saw_nothing("no fault was healed, so nothing could recover from it")
    names = {e.data.get("fault") for e in healed}
    if still_on := [fault for fault in planned_faults(trace) if fault["name"] not in names]:
        return saw_nothing(f"fault {still_on[0]['name']} was never healed", healed)
    for failed in trace.of("phase.failed", phase="database"):
        if phase_start_ns(trace, failed) > healed[-1].mono_ns:
            return refuted(
                f"attempt {failed.attempt} failed in phase database after the heal",
                [healed[-1], failed],
            )
    ready = _first_ready(trace, after_ns=healed[-1].mono_ns)
    if ready is None:
        return _not_recovered(trace, healed[-1])
    dead = deaths(trace)
    if dead and (ready.attempt or 0) <= max(e.attempt or 0 for e in dead):
        return refuted(f"attempt {ready.attempt}, which answered ready, died later", [ready, *dead])
    return holds(f"attempt {ready.attempt} answered ready after the heal", [healed[-1], ready])


def _not_recovered(trace: Trace, healed: Event) -> Result:
    """What was seen in place of an app that became ready after the heal."""
    before = _first_ready(trace, after_ns=0)
    if before is None:
        return _instead(trace, "the app was never ready after the heal")
    says = f"attempt {before.attempt} was ready before the heal, so nothing had to recover"
    return refuted(says, [before, healed])


def ready(trace: Trace) -> Result:
    """Some attempt answered `GET /health/ready` with 200 and said that it has its database."""
    found = _first_ready(trace, after_ns=0)
    if found is None:
        return _instead(trace, "the app was never ready")
    return holds(f"attempt {found.attempt} answered ready", [found])


def golden_path(trace: Trace) -> Result:
    """A chat message was answered over the WebSocket and its row was read from Postgres itself."""
    answered = {e.data.get("key"): e for e in trace.of("golden.answered")}
    listed = {e.data.get("key"): e for e in trace.of("golden.listed")}
    for row in trace.of("golden.row"):
        key = row.data.get("key")
        if key in answered and key in listed:
            return holds(
                f"a chat message was answered, listed, and is row {row.data.get('id')} in Postgres",
                [answered[key], listed[key], row],
            )
    failed = trace.of("golden.failed")
    if failed and not _refused(trace):
        return refuted(f"the golden path failed: {failed[-1].data.get('why')}", failed)
    if not answered:
        return _instead(trace, "no chat message was ever answered")
    says = "a chat message was answered, but is not in Postgres"
    return not_seen(trace, says, answered.values())


def no_connection_left(trace: Trace) -> Result:
    """After an attempt's end, none of the app's sessions that it could have begun was left.

    Nothing is known if the harness did not count, was never shown to see such a session, or
    where no attempt reached Postgres, so that none had a session to leave.
    """
    exits = trace.of("process.exited")
    counted = [e for e in trace.of("database.backends") if e.source == "database"]
    counts = {e.attempt: e.data.get("count") for e in counted}
    if not exits or not all(isinstance(counts.get(e.attempt), int) for e in exits):
        return saw_nothing("sessions in Postgres were not counted after every exit", counted)
    for event in counted:
        if count := int(event.data["count"]):
            what = "1 connection" if count == 1 else f"{count} connections"
            return refuted(f"attempt {event.attempt} left {what} in Postgres", [event])
    baseline = trace.first("baseline.passed")
    if baseline is None or not baseline.data.get("sessions"):
        return saw_nothing("the harness was never shown to see a session of the app's role")
    reached = [e for e in trace.of("link.connected") if is_own(trace, e)]
    if not reached:
        return saw_nothing("no attempt reached Postgres, so none had a connection to leave")
    return holds("no attempt left a connection in Postgres", [baseline, reached[0], *counted])


def has_database(answer: Mapping[str, Any]) -> bool:
    """Whether an answer of the ready path says that the app serves with its database.

    `ready` counts even if phase database is not mentioned; `degraded` does not.
    """
    phases = answer.get("phases")
    state = phases.get("database") if isinstance(phases, dict) else None
    if answer.get("status") == "ready" and state is None:
        return True
    return answer.get("status") in ("ready", "degraded") and state == "complete"


def _first_ready(trace: Trace, *, after_ns: int) -> Event | None:
    for event in trace.of("probe.answered"):
        is_ready = event.data.get("status_code") == HTTP_OK and has_database(event.data)
        if event.mono_ns >= after_ns and is_ready:
            return event
    return None


def _instead(trace: Trace, what: str) -> Result:
    """The last answer of the ready path, after `what`, which says what is missing."""
    answers = trace.of("probe.answered")
    if not answers and not any(e.data.get("probes") for e in trace.of("port.watched")):
        return saw_nothing(f"{what}, and nobody looked at its port")
    if not answers:
        return not_seen(trace, f"{what}: {READY_PATH} was never answered")
    last = answers[-1].data
    status = last.get("status_code")
    if status is None:
        says = f"{what}: {READY_PATH} failed with {last.get('error')}"
        return not_seen(trace, says, answers[-1:])
    if _refused(trace):
        why = f"{what}, as far as is known: {READY_PATH} answered {status}"
        return saw_nothing(why, answers[-1:])
    state = f" ({last['status']})" if last.get("status") else ""
    return not_seen(trace, f"{what}: {READY_PATH} answered {status}{state}", answers[-1:])


def _refused(trace: Trace) -> bool:
    """Whether the app's last answer says that the path is unknown or forbidden."""
    answers = trace.of("probe.answered")
    return bool(answers) and answers[-1].data.get("status_code") in HTTP_REFUSALS
