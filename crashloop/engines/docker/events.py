"""Docker's event stream: what the daemon did with this run's containers, and when."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crashloop.engines.docker.daemon import sdk_errors
from crashloop.engines.docker.instants import mono_ns
from crashloop.engines.docker.removal import ROLE_LABEL, RUN_LABEL
from crashloop.engines.docker.threads import follow

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.engines.docker.daemon import Daemon

ACTIONS = ("start", "die", "restart", "kill", "pause", "oom", "destroy")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerEvent:
    """One thing that the daemon did with a container of the run.

    `time_ns` is the daemon's own wall clock, `mono_ns` the same instant on the monotonic clock;
    `exit_code` is set for a die.
    """

    action: str
    role: str
    container: str
    time_ns: int
    mono_ns: int
    exit_code: int | None


class Events:
    """A run's events from now on. Blocking; open it before any container starts."""

    def __init__(self, daemon: Daemon, run_id: str) -> None:
        filters = {"type": "container", "event": list(ACTIONS), "label": f"{RUN_LABEL}={run_id}"}
        with sdk_errors("Docker's event stream could not be opened"):
            self._stream = daemon.api.events(filters=filters, decode=True)
        self._closed = False

    def follow(
        self, on_event: Callable[[ContainerEvent], None], on_end: Callable[[str], None]
    ) -> None:
        """Deliver all events since it was opened, and later ones, in the running loop.

        `on_end` gets the reason when the stream ends before `close`.
        """

        def end(why: str) -> None:
            if not self._closed:
                on_end(why or "the daemon closed it")

        stream = self._stream
        follow("docker events", lambda: map(read_event, stream), on_item=on_event, on_end=end)

    def close(self) -> None:
        """Stop reading."""
        self._closed = True
        with contextlib.suppress(OSError, AttributeError):
            self._stream.close()


def read_event(event: dict[str, Any]) -> ContainerEvent:
    """Read one event of the API. The daemon shares this machine's clocks."""
    attributes = event["Actor"]["Attributes"]
    code = attributes.get("exitCode")
    return ContainerEvent(
        action=event["Action"],
        role=attributes.get(ROLE_LABEL, ""),
        container=event["Actor"]["ID"],
        time_ns=event["timeNano"],
        mono_ns=mono_ns(event["timeNano"]),
        exit_code=None if code is None else int(code),
    )
