"""Readiness, recovery, the golden path: what a user of the app would have noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.receipts import phase_start_ns
from crashloop.checks.result import Result, holds, refuted, saw_nothing

if TYPE_CHECKING:
    from crashloop.trace.event import Event, Trace

HTTP_OK = 200


def no_port_before_ready(trace: Trace) -> Result:
    """In no attempt did the app's port accept a connection before start-up was complete."""
    watched = [e for e in trace.of("port.watched") if e.data.get("probes")]
    if not watched or {e.attempt for e in watched} != set(trace.attempts()):
        return saw_nothing("the app's port was not watched in every attempt", watched)
    opened = trace.of("port.opened")
    for event in opened:
        done = trace.first("startup.completed", attempt=event.attempt)
        if done is None or done.mono_ns > event.mono_ns:
            return refuted(
                f"attempt {event.attempt} opened its port before start-up was complete", [event]
            )
    return holds("the app's port stayed shut until start-up was complete", [*watched, *opened])


def recovered(trace: Trace) -> Result:
    """After the last heal, an attempt later than every dead one answered ready.

    None whose phase database began after the heal failed in it.
    """
    healed = trace.of("fault.healed")
    if not healed:
        return saw_nothing("no fault was healed, so nothing could recover from it")
    for failed in trace.of("phase.failed", phase="database"):
        if phase_start_ns(trace, failed) > healed[-1].mono_ns:
            return refuted(
                f"attempt {failed.attempt} failed in phase database after the heal",
                [healed[-1], failed],
            )
    ready = _first_ready(trace, after_ns=healed[-1].mono_ns)
    if ready is None:
        return refuted("the app was never ready after the heal", healed)
    dead = [e for e in trace.of("process.exited") if not e.data.get("requested")]
    if dead and (ready.attempt or 0) <= max(e.attempt or 0 for e in dead):
        return refuted(f"attempt {ready.attempt}, which answered ready, died later", [ready, *dead])
    return holds(f"attempt {ready.attempt} answered ready after the heal", [healed[-1], ready])


def ready(trace: Trace) -> Result:
    """Some attempt answered `/health/ready` with 200 and status ready."""
    found = _first_ready(trace, after_ns=0)
    if found is None:
        return refuted("the app was never ready", trace.of("probe.answered"))
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
    if failed:
        return refuted(f"the golden path failed: {failed[-1].data.get('why')}", failed)
    if not answered:
        return refuted("no chat message was ever answered")
    return refuted("a chat message was answered, but is not in Postgres", answered.values())


def no_connection_left(trace: Trace) -> Result:
    """Postgres counted no connection of a dead attempt any more."""
    exits = trace.of("process.exited")
    counts = {event.attempt: event for event in trace.of("database.backends")}
    if not exits or any(e.attempt not in counts for e in exits):
        return saw_nothing("connections were not counted after every exit", list(counts.values()))
    for event in counts.values():
        if event.data["count"]:
            count = int(event.data["count"])
            what = "1 connection" if count == 1 else f"{count} connections"
            return refuted(f"attempt {event.attempt} left {what} in Postgres", [event])
    return holds("no attempt left a connection in Postgres", list(counts.values()))


def _first_ready(trace: Trace, *, after_ns: int) -> Event | None:
    for event in trace.of("probe.answered"):
        is_ready = event.data.get("status_code") == HTTP_OK and event.data.get("status") in {
            "ready",
            "degraded",
        }
        database = (event.data.get("phases") or {}).get("database", "complete")
        if event.mono_ns >= after_ns and is_ready and database == "complete":
            return event
    return None
