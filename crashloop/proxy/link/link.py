"""One client's connection through the proxy, from accept to close."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from crashloop.proxy.connect import begin_connect, connect, connect_by_name
from crashloop.proxy.kernel.owner import session_of
from crashloop.proxy.link.events import LinkEvents, moved
from crashloop.proxy.link.pipe import Pipe
from crashloop.proxy.toxics.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from crashloop.proxy.address import Address, Endpoint, Target
    from crashloop.proxy.events import Emit
    from crashloop.proxy.faults import Direction, LinkFault
    from crashloop.proxy.link.busy_poll import BusyPoll
    from crashloop.proxy.link.events import Reason
    from crashloop.proxy.link.timers import Timer, Timers
    from crashloop.proxy.toxics.chunk import End

SETTLING_NS = 2_000_000
"""The time for a client to see its connect() succeed; over loopback it takes 0.1 ms."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Path(NamedTuple):
    """What all links of a proxy share."""

    loop: asyncio.AbstractEventLoop
    timers: Timers
    busy_poll: BusyPoll | None
    scratch: memoryview
    listen: Address
    upstream: Address
    target: Target | None
    dial_limit_s: float
    seed: int
    emit: Emit
    on_refused: Callable[[], None]
    on_closed: Callable[[Link], None]


class Holding(NamedTuple):
    """How a fault holds a link: until when, None for its heal, and what its receipt says more."""

    fault_id: str
    until_ns: int | None
    facts: Mapping[str, object] = MappingProxyType({})


class Link:
    """Accepted, perhaps held, then dialled and forwarded both ways; emits its own receipts.

    Owns both sockets and closes them in every case. `on_closed` is called last, once.
    """

    def __init__(
        self,
        *,
        name: str,
        path: Path,
        client: socket.socket,
        upstream: socket.socket,
        client_pid: int | None,
        peer: Endpoint | None,
    ) -> None:
        self.name = name
        self._path = path
        self._client = client
        self._upstream = upstream
        self._events = LinkEvents(name=name, emit=path.emit, client_pid=client_pid, peer=peer)
        self._holds: dict[str, Timer | None] = {}
        self._closed = False
        self._joined = False
        self._dialling: asyncio.Task[None] | None = None
        self._up = self._pipe(client)
        self._down = self._pipe(upstream)

    def _pipe(self, source: socket.socket) -> Pipe:
        path = self._path
        return Pipe(
            loop=path.loop,
            timers=path.timers,
            busy_poll=path.busy_poll,
            source=source,
            scratch=path.scratch,
            owner=self,
            witness=self._events,
        )

    def open(self, holds: Sequence[Holding] = ()) -> None:
        """Hold the link by each of these, or dial at once."""
        self._events.opened(self._path.listen)
        for holding in holds:
            self._hold(holding)
        if not self._holds:
            self._dial()
        self._up.start()

    def turn_away(self, fault_id: str, *, reset: bool) -> None:
        """Close at once instead of opening."""
        self._events.opened(self._path.listen)
        self._events.turned_away(fault_id, reset=reset)
        if reset:
            self._reset_when_settled()
        else:
            self._close(reset=False, reason="proxy closed")

    @property
    def client_session(self) -> int | None:
        """The session of the client's process; None if the process is gone or unknown."""
        return session_of(self._events.client_pid)

    def is_held_by(self, fault_id: str) -> bool:
        """Whether the fault holds the link now."""
        return fault_id in self._holds

    def release(self, fault_id: str, reason: Reason) -> None:
        """End one fault's hold, if there is one; dial when it was the last."""
        if fault_id not in self._holds:
            return
        timer = self._holds.pop(fault_id)
        if timer is not None:
            timer.cancel()
        self._events.released(fault_id, reason)
        if not self._holds and reason in {"healed", "delay"}:
            self._dial()

    def add(self, fault_id: str, fault: LinkFault) -> None:
        """Add a toxic to its direction."""
        stage = Stage(
            fault_id=fault_id,
            fault=fault,
            seed=f"{self._path.seed}/{self.name}/{fault_id}",
            now_ns=time.monotonic_ns(),
        )
        self._events.gained(stage)
        self._pipe_of(fault.direction).add(stage)

    def change(self, fault_id: str, fault: LinkFault) -> None:
        """Change the parameters of a toxic."""
        if not self._closed:
            self._pipe_of(fault.direction).change(fault_id, fault)

    def remove(self, fault_id: str, fault: LinkFault) -> None:
        """Remove a toxic; what only it held is passed on at once."""
        if not self._closed:
            self._pipe_of(fault.direction).remove(fault_id)

    def cut(self, *, reset: bool) -> None:
        """Close both sides now, because the proxy wants it."""
        self._events.by = self._events.by or "proxy"
        self._close(reset=reset, reason="proxy closed")

    def moved(self) -> dict[str, int]:
        """The bytes of both directions so far, sent and received."""
        return moved(self._up, self._down)

    def snapshot(self) -> dict[str, object]:
        """The state of the link, JSON-able."""
        return {
            "link": self.name,
            "client_pid": self._events.client_pid,
            "opened_ns": self._events.opened_ns,
            "connected": self._joined,
            "held_by": list(self._holds),
            **self.moved(),
        }

    def source_ended(self, pipe: Pipe, *, reset: bool) -> None:
        """Note which side ended first; close a held link at once."""
        self._events.by = self._events.by or ("client" if pipe is self._up else "upstream")
        if self._holds or (reset and not self._joined):
            self._close(reset=reset, reason="client closed")

    def sink_failed(self, pipe: Pipe) -> None:
        """Note that the receiver left."""
        self._events.by = self._events.by or ("upstream" if pipe is self._up else "client")

    def needs_half_close(self, pipe: Pipe) -> bool:
        """Whether the other direction still moves; if not, closing the sockets is enough."""
        return not (self._down if pipe is self._up else self._up).done

    def pipe_done(self, pipe: Pipe, end: End) -> None:
        """Close the link when nothing can move in either direction."""
        stage = pipe.closed_by
        if stage is not None and self._events.fault is None:
            self._events.fault = stage.fault_id
            self._events.by = self._events.by or "proxy"
        other = self._down if pipe is self._up else self._up
        if end == "reset" or other.done:
            self._close(reset=end == "reset", reason="client closed")
        elif end == "close":
            other.cut_source()
            if not other.done:
                (self._upstream if pipe is self._up else self._client).close()

    def _pipe_of(self, direction: Direction) -> Pipe:
        return self._up if direction == "upstream" else self._down

    def _hold(self, holding: Holding) -> None:
        fault_id, timer = holding.fault_id, None
        if holding.until_ns is not None:
            timer = self._path.timers.at(holding.until_ns, lambda: self.release(fault_id, "delay"))
        self._holds[fault_id] = timer
        self._events.held(fault_id, holding.facts)

    def _dial(self) -> None:
        self._events.dialled()
        target = self._path.target
        begun = None if target is None else begin_connect(self._upstream, target)
        if begun == 0:
            self._join()
        else:
            self._dialling = self._path.loop.create_task(self._finish_dial(target, begun))

    async def _finish_dial(self, target: Target | None, begun: int | None) -> None:
        try:
            async with asyncio.timeout(self._path.dial_limit_s):
                if target is None:
                    self._upstream.close()
                    self._upstream = await connect_by_name(self._path.upstream)
                else:
                    await connect(self._upstream, target, begun)
        except OSError as error:
            self._dialling = None
            self._fail(error)
        else:
            self._dialling = None
            self._join()

    def _join(self) -> None:
        self._down.read_from(self._upstream)
        self._joined = True
        self._events.connected(self._upstream)
        self._down.connect(self._client)
        self._down.start()
        self._up.connect(self._upstream)

    def _fail(self, error: OSError) -> None:
        self._events.failed(error)
        self._reset_when_settled()
        if isinstance(error, ConnectionRefusedError | FileNotFoundError):
            self._path.on_refused()

    def _reset_when_settled(self) -> None:
        """Reset, but only after the client's connect() has had time to succeed."""
        self._path.timers.at(
            self._events.opened_ns + SETTLING_NS,
            lambda: self._close(reset=True, reason="proxy closed"),
        )

    def _close(self, *, reset: bool, reason: Reason) -> None:
        if self._closed:
            return
        self._closed = True
        for fault_id in tuple(self._holds):
            self.release(fault_id, reason)
        self._up.stop()
        self._down.stop()
        if self._dialling is not None:
            self._dialling.cancel()
            self._dialling = None
        for sock in (self._client, self._upstream):
            if reset and sock.family != socket.AF_UNIX:
                with suppress(OSError):  # closed already, by a failed dial or a toxic
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            sock.close()
        self._events.closed(self._up, self._down, reset=reset)
        self._path.on_closed(self)
        self._up.forget()
        self._down.forget()
