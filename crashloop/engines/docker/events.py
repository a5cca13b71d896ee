"""Docker's event stream: what the daemon did with this run's containers, each at its instant."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crashloop.engines.docker.daemon import told
from crashloop.engines.docker.instants import mono_ns
from crashloop.engines.docker.project import ROLE_LABEL, RUN_LABEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.engines.docker.daemon import Daemon

ACTIONS = ("start", "die", "restart", "kill", "pause", "oom", "destroy")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerEvent:
    """One thing that the daemon did with a container of the run.

    `time_ns` is the daemon's own wall clock, `mono_ns` the same instant on the monotonic clock;
    `exit_code` is that of a die.
    """

    action: str
    role: str
    container: str
    time_ns: int
    mono_ns: int
    exit_code: int | None


class Events:
    """Follows a run's events in a thread and hands each to `on_event` in the loop, in order.

    Open it before the first container: what happened earlier is not seen. `on_end` is called with
    the error when the stream ends without having been closed.
    """

    def __init__(
        self, stream: Any, on_event: Callable[[ContainerEvent], None], on_end: Callable[[str], None]
    ) -> None:
        self._stream = stream
        self._on_event = on_event
        self._on_end = on_end
        self._closed = False
        self._loop: asyncio.AbstractEventLoop

    @classmethod
    def of(
        cls,
        daemon: Daemon,
        run_id: str,
        on_event: Callable[[ContainerEvent], None],
        on_end: Callable[[str], None],
    ) -> Events:
        """Open the stream; nothing is missed from here on. Blocking."""
        filters = {"type": "container", "event": list(ACTIONS), "label": f"{RUN_LABEL}={run_id}"}
        with told("Docker's event stream could not be opened"):
            return cls(daemon.api.events(filters=filters, decode=True), on_event, on_end)

    def begin(self) -> None:
        """Hand over what has happened and happens, in the running loop."""
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._follow, daemon=True, name="docker events").start()

    def close(self) -> None:
        """Follow no longer."""
        self._closed = True
        with contextlib.suppress(OSError, AttributeError):
            self._stream.close()

    def _follow(self) -> None:
        why = "the daemon closed it"
        try:
            for event in self._stream:
                self._call(self._on_event, read_event(event))
        except Exception as error:  # noqa: BLE001  whatever the SDK raises of a broken stream
            why = f"{type(error).__name__}: {error}"
        if not self._closed:
            self._call(self._on_end, why)

    def _call(self, what: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(what, *arguments)


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
