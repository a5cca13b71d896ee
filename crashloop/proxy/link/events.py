"""The events of one link: one at each change of its state, and the totals at its end."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING, Literal

from crashloop.clock import NS_PER_S
from crashloop.proxy.kernel.owner import session_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from crashloop.proxy.address import Address, Endpoint
    from crashloop.proxy.events import Emit
    from crashloop.proxy.link.pipe import Pipe
    from crashloop.proxy.toxics.stage import Stage

Side = Literal["client", "upstream", "proxy"]
Reason = Literal["healed", "delay", "client closed", "proxy closed"]

RECEIPTS = 3
"""How many chunks of a link and toxic get an event each; the totals come at the end."""


class LinkEvents:
    """The receipts of the link `name`; instants are of the monotonic clock.

    `by` is who ended the link first, and `fault` the one that closed it, once that is known.
    """

    def __init__(
        self, *, name: str, emit: Emit, client_pid: int | None, peer: Endpoint | None
    ) -> None:
        self.opened_ns = time.monotonic_ns()
        self.client_pid = client_pid
        self.by: Side | None = None
        self.fault: str | None = None
        self._name = name
        self._emit = emit
        self._peer = peer
        self._stages: list[Stage] = []
        self._dialled_ns = 0

    def opened(self, listen: Address) -> None:
        """Record that a client was accepted; `client` is its own address, if that is TCP."""
        client = {"client": f"{self._peer[0]}:{self._peer[1]}"} if self._peer else {}
        self._send(
            "link.opened",
            listen=str(listen),
            **client,
            client_pid=self.client_pid,
            client_session=session_of(self.client_pid),
        )

    def turned_away(self, fault_id: str, *, reset: bool) -> None:
        """Record that the link is closed at once."""
        self.by, self.fault = "proxy", fault_id
        self._send("link.turned_away", fault=fault_id, reset=reset)

    def held(self, fault_id: str, facts: Mapping[str, object]) -> None:
        """Record that a fault holds the link, and what else it says about that."""
        self._send("link.held", fault=fault_id, **facts)

    def released(self, fault_id: str, reason: Reason) -> None:
        """Record that the fault no longer holds the link."""
        held_s = (time.monotonic_ns() - self.opened_ns) / NS_PER_S
        self._send("link.released", fault=fault_id, held_s=held_s, reason=reason)

    def dialled(self) -> None:
        """Note when connecting to the upstream began; emits nothing."""
        self._dialled_ns = time.monotonic_ns()

    def connected(self, upstream: socket.socket) -> None:
        """Record that the upstream was reached; `via` is our own address, if that is TCP."""
        name = upstream.getsockname()
        via = {"via": f"{name[0]}:{name[1]}"} if isinstance(name, tuple) else {}
        self._send("link.connected", **via)

    def failed(self, error: OSError) -> None:
        """Record that the upstream was not reached."""
        self.by = "upstream"
        name = errno.errorcode.get(error.errno or 0) or type(error).__name__
        if isinstance(error, TimeoutError):
            name = "TimeoutError"
        after_s = (time.monotonic_ns() - self._dialled_ns) / NS_PER_S
        self._send("link.failed", error=name, after_s=after_s)

    def gained(self, stage: Stage) -> None:
        """Note that a toxic acts on the link; its totals are in the last event."""
        self._stages.append(stage)

    def delayed(self, stage: Stage, waited_ns: int) -> None:
        """Record that a toxic has held a chunk, or the end; the first few are events."""
        if stage.chunks <= RECEIPTS:
            end = {} if stage.end is None else {"end": True}
            self._send(
                "link.delayed",
                fault=stage.fault_id,
                delay_s=waited_ns / NS_PER_S,
                direction=stage.fault.direction,
                chunk=stage.chunks,
                passed_bytes=stage.passed_bytes,
                **end,
            )

    def dropped(self, stage: Stage, size_bytes: int) -> None:
        """Record that a toxic has dropped bytes; the first time is an event."""
        if stage.dropped_bytes == size_bytes:
            where = stage.fault.direction
            self._send("link.dropped", fault=stage.fault_id, direction=where, bytes=size_bytes)

    def closed(self, up: Pipe, down: Pipe, *, reset: bool) -> None:
        """Record that the link has ended."""
        fault = {} if self.fault is None else {"fault": self.fault}
        self._send(
            "link.closed",
            opened_ns=self.opened_ns,
            closed_ns=time.monotonic_ns(),
            **moved(up, down),
            by=self.by or "proxy",
            reset=reset,
            **fault,
            first_byte_up_ns=up.first_byte_ns,
            first_byte_down_ns=down.first_byte_ns,
            delays=[
                {
                    "fault": stage.fault_id,
                    "direction": stage.fault.direction,
                    "chunks": stage.chunks,
                    "delay_s": stage.delayed_ns / NS_PER_S,
                }
                for stage in self._stages
                if stage.chunks
            ],
            dropped=[
                {
                    "fault": stage.fault_id,
                    "direction": stage.fault.direction,
                    "bytes": stage.dropped_bytes,
                }
                for stage in self._stages
                if stage.dropped_bytes
            ],
        )

    def _send(self, kind: str, **data: object) -> None:
        self._emit(kind, {"link": self._name, **data})


def moved(up: Pipe, down: Pipe) -> dict[str, int]:
    """The bytes of both directions so far, sent and received."""
    return {
        "bytes_up": up.moved_bytes,
        "bytes_down": down.moved_bytes,
        "received_up": up.received_bytes,
        "received_down": down.received_bytes,
    }
