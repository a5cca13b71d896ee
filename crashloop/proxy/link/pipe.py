"""One direction of a link: bytes from a source to a sink, in order, bounded, without loss."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from crashloop.proxy.link.busy_poll import SMALL_BYTES
from crashloop.proxy.toxics.chain import Chain
from crashloop.proxy.toxics.chunk import CHUNK_BYTES, Chunk

if TYPE_CHECKING:
    import asyncio

    from crashloop.proxy.faults import LinkFault
    from crashloop.proxy.link.busy_poll import BusyPoll
    from crashloop.proxy.link.timers import Timer, Timers
    from crashloop.proxy.toxics.chunk import End
    from crashloop.proxy.toxics.stage import Stage, Witness

SCRATCH_BYTES = 256 * 1024
"""Size of the read buffer that all pipes of a proxy share."""
_SENDS_AT_ONCE = 64


class PipeOwner(Protocol):
    """What a pipe reports to; each call comes from the event loop, once for each event."""

    def source_ended(self, pipe: Pipe, *, reset: bool) -> None:
        """The source has ended; queued bytes may still follow."""

    def sink_failed(self, pipe: Pipe) -> None:
        """The sink has failed; what was queued for it is dropped."""

    def needs_half_close(self, pipe: Pipe) -> bool:
        """Whether the sink stays open after the end of this pipe."""

    def pipe_done(self, pipe: Pipe, end: End) -> None:
        """The pipe is finished: the end has reached the sink."""


class Pipe:
    """Reads `source` from `start()` on and writes to the sink from `connect()` on.

    The source is read only while the toxics have room, or without toxics the outbox. The end of
    the source is passed on as a half-close after the last byte.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        timers: Timers,
        source: socket.socket,
        scratch: memoryview,
        busy_poll: BusyPoll | None,
        owner: PipeOwner,
        witness: Witness,
    ) -> None:
        self._loop = loop
        self._timers = timers
        self._source = source
        self._sink: socket.socket | None = None
        self._scratch = scratch
        self._busy_poll = busy_poll
        self._owner = owner
        self._chain = Chain(witness)
        self._started = self._reading = self._writing = self._resting = False
        self._ended = False
        self._timer: Timer | None = None
        self.done = False
        self.received_bytes = 0
        self.moved_bytes = 0
        self.first_byte_ns: int | None = None

    @property
    def closed_by(self) -> Stage | None:
        """The toxic that closed the connection here, if one did."""
        return self._chain.closed_by

    def start(self) -> None:
        """Begin to read the source."""
        if not self.done:
            self._started = True
            self._read_while_there_is_room()

    def read_from(self, source: socket.socket) -> None:
        """Replace the source, before the start."""
        assert not self._started, "a source is changed before the start"
        self._source = source

    def connect(self, sink: socket.socket) -> None:
        """Begin to write to the sink, first what was read before."""
        self._sink = sink
        if not self._chain.is_empty:
            self._pump()

    def add(self, stage: Stage) -> None:
        """Add a toxic at the end of the chain, for the bytes that reach it from now on."""
        self._chain.add(stage)
        self._pump()

    def change(self, fault_id: str, fault: LinkFault) -> None:
        """Restart a toxic with other parameters."""
        self._chain.change(fault_id, fault, time.monotonic_ns())
        self._pump()

    def remove(self, fault_id: str) -> None:
        """Remove a toxic; what only it held is passed on at once, in order."""
        self._chain.remove(fault_id, time.monotonic_ns())
        self._pump()

    def cut_source(self) -> None:
        """Stop reading; what was read is still written, then the sink is closed."""
        if not (self._ended or self.done):
            self._end("close")
            self._pump()

    def stop(self) -> None:
        """Stop for good and drop what is queued; the owner closes the sockets."""
        self.done = True
        self._pause_reading()
        self._await_sink(wanted=False)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def forget(self) -> None:
        """Drop the reference to the owner, so that a closed link needs no garbage collection."""
        assert self.done, "an owner is forgotten when nothing moves any more"
        del self._owner

    def _read_while_there_is_room(self) -> None:
        wanted = self._started and not self._ended and self._chain.has_room
        if wanted and not self._reading:
            self._reading = True
            self._loop.add_reader(self._source, self._on_readable)
        elif not wanted:
            self._pause_reading()

    def _pause_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._source)

    def _await_sink(self, *, wanted: bool) -> None:
        if wanted == self._writing or self._sink is None:
            return
        self._writing = wanted
        if wanted:
            self._loop.add_writer(self._sink, self._pump)
        else:
            self._loop.remove_writer(self._sink)

    def _on_readable(self) -> None:
        direct = self._sink is not None and self._chain.is_empty
        scratch = self._scratch if direct else self._scratch[:CHUNK_BYTES]
        try:
            size = self._source.recv_into(scratch)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._source_ended(reset=True)
            return
        if not size:
            self._source_ended(reset=False)
            return
        self.received_bytes += size
        sent = 0
        if direct:
            assert self._sink is not None
            try:
                sent = self._sink.send(scratch[:size])
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                self._fail()
                return
            self._count(sent)
            if sent == size:
                if self._busy_poll is not None and size < SMALL_BYTES:
                    self._busy_poll.stay()
                return
        now_ns = time.monotonic_ns()
        self._chain.put(Chunk(memoryview(bytes(scratch[sent:size])), now_ns, now_ns))
        self._pump()

    def _source_ended(self, *, reset: bool) -> None:
        self._end("reset" if reset else "end")
        self._owner.source_ended(self, reset=reset)
        self._pump()

    def _end(self, end: End) -> None:
        self._pause_reading()
        self._ended = True
        self._chain.put(Chunk.ending(end, time.monotonic_ns()))

    def _pump(self) -> None:
        """Move what can move: through the toxics, to the sink, and from the source."""
        if self.done:
            return
        self._chain.advance(time.monotonic_ns())
        if self._sink is not None and not self._send():
            return
        self._wake_at(self._chain.due_ns)
        if self._chain.closed_by is not None:
            self._ended = True
        self._read_while_there_is_room()

    def _send(self) -> bool:
        """Write until the outbox is empty or the sink is full; false when the pipe has ended."""
        assert self._sink is not None
        outbox = self._chain.outbox
        for _ in range(_SENDS_AT_ONCE):
            if not outbox.chunks:
                break
            chunk = outbox.chunks[0]
            if chunk.end is not None:
                self._finish(chunk.end)
                return False
            try:
                sent = self._sink.send(chunk.data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                self._fail()
                return False
            self._count(sent)
            if not outbox.take(sent):
                self._await_sink(wanted=True)
                return True
            if not outbox.chunks and self._chain.stages:
                self._chain.advance(time.monotonic_ns())
        self._await_sink(wanted=False)
        if outbox.chunks and not self._resting:
            self._resting = True
            self._loop.call_soon(self._go_on)
        return True

    def _go_on(self) -> None:
        self._resting = False
        self._pump()

    def _wake_at(self, due_ns: int | None) -> None:
        if self._timer is not None:
            if self._timer.due_ns == due_ns:
                return
            self._timer.cancel()
            self._timer = None
        if due_ns is not None:
            self._timer = self._timers.at(due_ns, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._pump()

    def _count(self, sent: int) -> None:
        if sent and self.first_byte_ns is None:
            self.first_byte_ns = time.monotonic_ns()
        self.moved_bytes += sent

    def _fail(self) -> None:
        self.stop()
        self._owner.sink_failed(self)
        self._owner.pipe_done(self, "end")

    def _finish(self, end: End) -> None:
        self.stop()
        if end == "end" and self._owner.needs_half_close(self):
            assert self._sink is not None
            with suppress(OSError):  # the sink may be gone already: then it needs no half-close
                self._sink.shutdown(socket.SHUT_WR)
        self._owner.pipe_done(self, end)
