"""One client's connection through the proxy, from accept to close."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from crashloop.proxy.alarm import Alarm
from crashloop.proxy.delay import Delay
from crashloop.proxy.dial import dial
from crashloop.proxy.pipe import Pipe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crashloop.proxy.address import Address, Target
    from crashloop.proxy.events import Emit
    from crashloop.proxy.faults import Latency

Side = Literal["client", "upstream", "proxy"]
Reason = Literal["healed", "delay", "client closed", "proxy closed"]

DELAY_RECEIPTS = 3
"""Chunks of a link, fault and direction with an event each; the rest is summed at close."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Link:
    """Accepted, perhaps held, then dialled and forwarded both ways; emits its own receipts.

    Owns both sockets and closes them on every way out. `on_closed` is called last, once.
    """

    def __init__(
        self,
        *,
        name: str,
        client: socket.socket,
        upstream: socket.socket,
        targets: Sequence[Target],
        dial_limit_s: float,
        listen: Address,
        client_pid: int | None,
        scratch: memoryview,
        emit: Emit,
        on_closed: Callable[[Link], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.name = name
        self._client = client
        self._upstream = upstream
        self._targets = targets
        self._dial_limit_s = dial_limit_s
        self._listen = listen
        self._client_pid = client_pid
        self._scratch = scratch
        self._emit = emit
        self._on_closed = on_closed
        self._holds: dict[str, tuple[int, Alarm | None]] = {}
        self._delays: list[Delay] = []
        self._opened_ns = time.monotonic_ns()
        self._dial_ns = 0
        self._by: Side | None = None
        self._closed = False
        self._joined = False
        self.dialling: asyncio.Task[socket.socket] | None = None
        self._up = self._pipe(client)
        self._down = self._pipe(upstream)

    def _pipe(self, source: socket.socket) -> Pipe:
        return Pipe(loop=self._loop, source=source, scratch=self._scratch, owner=self)

    def open(self, holds: Sequence[tuple[str, int | None]] = ()) -> None:
        """Begin: held by each (fault, until_ns or None for a heal), or dialled at once."""
        self._emit(
            "link.opened",
            {"link": self.name, "listen": str(self._listen), "client_pid": self._client_pid},
        )
        for fault_id, until_ns in holds:
            self._hold(fault_id, until_ns)
        if not self._holds:
            self._dial()
        self._up.start()

    def release(self, fault_id: str, reason: Reason) -> None:
        """End one fault's hold, if there is one; the last to end lets the link through."""
        if fault_id not in self._holds:
            return
        since_ns, alarm = self._holds.pop(fault_id)
        if alarm is not None:
            alarm.cancel()
        held_s = (time.monotonic_ns() - since_ns) / 1e9
        self._emit(
            "link.released",
            {"link": self.name, "fault": fault_id, "held_s": held_s, "reason": reason},
        )
        if not self._holds and reason in {"healed", "delay"}:
            self._dial()

    def delay(self, fault_id: str, fault: Latency) -> None:
        """Delay the chunks of the fault's direction from now on."""
        delay = Delay(fault_id=fault_id, fault=fault, link=self.name)
        self._delays.append(delay)
        (self._up if fault.direction == "upstream" else self._down).add_stage(delay)

    def undelay(self, fault_id: str) -> None:
        """End one fault's delay; what it alone kept back goes at once."""
        for pipe in (self._up, self._down):
            if not self._closed:
                pipe.remove_stage(fault_id)

    def cut(self) -> None:
        """Reset both sides now, from the proxy's own will."""
        self._by = self._by or "proxy"
        self._close(reset=True, reason="proxy closed")

    def source_ended(self, pipe: Pipe, *, reset: bool) -> None:
        """Note who ended first; a held client that leaves is gone at once."""
        self._by = self._by or ("client" if pipe is self._up else "upstream")
        if self._holds or (reset and not self._joined):
            self._close(reset=reset, reason="client closed")

    def sink_failed(self, pipe: Pipe) -> None:
        """Note that the receiver left."""
        self._by = self._by or ("upstream" if pipe is self._up else "client")

    def pipe_done(self, pipe: Pipe, *, reset: bool) -> None:
        """Close when nothing can move any more."""
        assert pipe.done
        if reset or (self._up.done and self._down.done):
            self._close(reset=reset, reason="client closed")

    def chunk_delayed(self, pipe: Pipe, delay: Delay, delayed_ns: int) -> None:
        """Emit the first few receipts of a delay; the rest is summed at close."""
        chunk = delay.count(delayed_ns)
        if chunk <= DELAY_RECEIPTS:
            self._emit(
                "link.delayed",
                {
                    "link": self.name,
                    "fault": delay.fault_id,
                    "delay_s": delayed_ns / 1e9,
                    "direction": "upstream" if pipe is self._up else "downstream",
                    "chunk": chunk,
                },
            )

    def _hold(self, fault_id: str, until_ns: int | None) -> None:
        alarm = None
        if until_ns is not None:
            alarm = Alarm(self._loop, until_ns, lambda: self.release(fault_id, "delay"))
        self._holds[fault_id] = (time.monotonic_ns(), alarm)
        self._emit("link.held", {"link": self.name, "fault": fault_id})

    def _dial(self) -> None:
        self._dial_ns = time.monotonic_ns()
        dialling = dial(self._upstream, self._targets, self._dial_limit_s)
        self.dialling = self._loop.create_task(dialling, name=f"dial {self.name}")
        self.dialling.add_done_callback(self._on_dialled)

    def _on_dialled(self, dialling: asyncio.Task[socket.socket]) -> None:
        error = None if dialling.cancelled() else dialling.exception()
        if dialling.cancelled() or error is not None or self._closed:
            self._upstream.close()
            if error is None and not dialling.cancelled():
                dialling.result().close()
        if self._closed:
            return
        if error is not None or dialling.cancelled():
            self._fail(error)
            return
        upstream = dialling.result()
        if upstream is not self._upstream:
            self._upstream = upstream
            stages, self._down = self._down.stages, self._pipe(upstream)
            for stage in stages:
                self._down.add_stage(stage)
        self._joined = True
        self._emit("link.connected", {"link": self.name})
        self._down.connect(self._client)
        self._down.start()
        self._up.connect(self._upstream)

    def _fail(self, error: BaseException | None) -> None:
        number = error.errno if isinstance(error, OSError) else None
        name = errno.errorcode.get(number or 0) or type(error).__name__
        self._emit(
            "link.failed",
            {
                "link": self.name,
                "error": name,
                "after_s": (time.monotonic_ns() - self._dial_ns) / 1e9,
            },
        )
        self._by = "upstream"
        self._close(reset=True, reason="proxy closed")

    def _close(self, *, reset: bool, reason: Reason) -> None:
        if self._closed:
            return
        self._closed = True
        for fault_id in tuple(self._holds):
            self.release(fault_id, reason)
        self._up.stop()
        self._down.stop()
        dialling = self.dialling is not None and not self.dialling.done()
        if dialling:
            assert self.dialling is not None
            self.dialling.cancel()
        for sock in (self._client,) if dialling else (self._client, self._upstream):
            if reset and sock.family != socket.AF_UNIX:
                with suppress(OSError):  # already closed by a failed dial
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            sock.close()
        self._emit("link.closed", self._summary())
        self._on_closed(self)

    def _summary(self) -> dict[str, object]:
        return {
            "link": self.name,
            "opened_ns": self._opened_ns,
            "closed_ns": time.monotonic_ns(),
            "bytes_up": self._up.moved_bytes,
            "bytes_down": self._down.moved_bytes,
            "by": self._by or "proxy",
            "first_byte_up_ns": self._up.first_byte_ns,
            "first_byte_down_ns": self._down.first_byte_ns,
            "delays": [
                {
                    "fault": delay.fault_id,
                    "direction": delay.direction,
                    "chunks": delay.chunks,
                    "delay_s": delay.delayed_ns / 1e9,
                }
                for delay in self._delays
                if delay.chunks
            ],
        }
