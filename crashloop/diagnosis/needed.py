"""What the next answer to "why?" would need, where the evidence ends. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.diagnosis.chain import links
from crashloop.diagnosis.quote import root_of, was_killed
from crashloop.logs.event import EXITED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.diagnosis.diagnosis import Weighed
    from crashloop.diagnosis.why import Why
    from crashloop.trace.event import Event

TIMEOUTS = ("TimeoutError", "CancelledError", "ConnectTimeout", "Timeout")
REFUSED, NO_NAME = 111, (-2, -3, -5)


def needed(steps: Sequence[Why], weighed: Weighed | None) -> str:
    """A sentence: where the logs end, and what would show more."""
    if weighed is not None:
        return f"The logs end here. Next: {weighed.cause.in_logs.next}."
    if not steps:
        return "No life that failed is in these logs: the app's log from its start would show one."
    return f"The logs end here. The next answer needs {_of(steps[-1].events[-1])}."


def _of(event: Event) -> str:
    if event.kind.endswith(".said"):
        return "what was done to that server before it said so: its earlier log"
    if event.kind == EXITED and event.data.get("reason") == "OOMKilled":
        return "the app's own log of that life: whether it had become ready"
    if event.kind == EXITED and was_killed(event.data):
        return "who sent the signal: kubectl describe pod, docker events, or the machine's own log"
    if chain := links(event):
        root = root_of(chain)
        return _of_error(event, str(root.get("type") or ""), root.get("errno"))
    return "what the process itself wrote before that"


def _of_error(event: Event, name: str, errno: object) -> str:
    address = str(event.data.get("address") or "the other side").removeprefix("tcp:")
    if any(link.get("sqlstate") for link in links(event)):
        return "the database's own log of that time, whose DETAIL says more than an app is told"
    if name.endswith(TIMEOUTS):
        return f"whether the connection reached {address} at all: its own log of that time"
    if errno == REFUSED:
        return f"why nothing listened at {address}: the log of what should have"
    if errno in NO_NAME:
        return "why the name has no address: the resolver's log, and the network of that container"
    return "the code at the end of that traceback, and what it was given"
