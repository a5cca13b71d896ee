"""One direction of a link: bytes from a source to a sink, in order, bounded, none lost."""

from __future__ import annotations

import socket
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from crashloop.proxy.alarm import Alarm
from crashloop.proxy.delay import Chunk, Delay

if TYPE_CHECKING:
    import asyncio

SCRATCH_BYTES = 256 * 1024
"""Size of the read buffer that all pipes of a proxy share."""
CHUNK_BYTES = 32 * 1024
"""Largest chunk that a stage sees; Toxiproxy's own."""
QUEUE_BYTES = 1024 * 1024
QUEUE_CHUNKS = 4096


class PipeOwner(Protocol):
    """Told of a pipe's life; every call comes from the event loop, never twice for one thing."""

    def source_ended(self, pipe: Pipe, *, reset: bool) -> None:
        """The source will send no more; queued bytes may still be under way."""

    def sink_failed(self, pipe: Pipe) -> None:
        """The sink takes no more; what was queued for it is dropped."""

    def pipe_done(self, pipe: Pipe, *, reset: bool) -> None:
        """Nothing will move on this pipe again."""

    def chunk_delayed(self, pipe: Pipe, delay: Delay, delayed_ns: int) -> None:
        """A stage has held one chunk for that long."""


class Pipe:
    """Reads `source` from `start()` on and writes to the sink from `connect()` on.

    While there is no sink, or the sink is slower, at most about QUEUE_BYTES are kept and then the
    source is not read. The end of the source is passed on as a half-close after the last byte.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        source: socket.socket,
        scratch: memoryview,
        owner: PipeOwner,
    ) -> None:
        self._loop = loop
        self._source = source
        self._sink: socket.socket | None = None
        self._scratch = scratch
        self._owner = owner
        self.stages: tuple[Delay, ...] = ()
        self._queue: deque[Chunk] = deque()
        self._queued_bytes = 0
        self._last_due_ns = 0
        self._reading = self._writing = False
        self._ended = self._reset = False
        self._alarm: Alarm | None = None
        self.done = False
        self.moved_bytes = 0
        self.first_byte_ns: int | None = None

    def start(self) -> None:
        """Begin to read the source."""
        if not (self._reading or self._ended or self.done):
            self._reading = True
            self._loop.add_reader(self._source, self._on_readable)

    def connect(self, sink: socket.socket) -> None:
        """Begin to write; what was read before goes first."""
        self._sink = sink
        self._flush()

    def add_stage(self, stage: Delay) -> None:
        """Apply a stage to the chunks read from now on."""
        self.stages = (*self.stages, stage)

    def remove_stage(self, fault_id: str) -> None:
        """Take a fault's stage out; chunks that it alone delays go at once, in order."""
        self.stages = tuple(stage for stage in self.stages if stage.fault_id != fault_id)
        now_ns = time.monotonic_ns()
        not_before_ns = 0
        for chunk in self._queue:
            for stage, share_ns in chunk.shares:
                if stage.fault_id == fault_id:
                    delayed_ns = min(share_ns, now_ns - chunk.arrived_ns)
                    self._owner.chunk_delayed(self, stage, delayed_ns)
            chunk.shares = [share for share in chunk.shares if share[0].fault_id != fault_id]
            not_before_ns = chunk.schedule(not_before_ns)
        self._last_due_ns = not_before_ns
        self._flush()

    def stop(self) -> None:
        """Stop for good and drop what is queued; the sockets stay the owner's."""
        self.done = True
        self._pause_reading()
        self._await_sink(wanted=False)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._queue.clear()

    def _pause_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._source)

    def _await_sink(self, *, wanted: bool) -> None:
        if wanted == self._writing or self._sink is None:
            return
        self._writing = wanted
        if wanted:
            self._loop.add_writer(self._sink, self._flush)
        else:
            self._loop.remove_writer(self._sink)

    def _on_readable(self) -> None:
        direct = self._sink is not None and not self.stages and not self._queue
        scratch = self._scratch if direct else self._scratch[:CHUNK_BYTES]
        try:
            size = self._source.recv_into(scratch)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._end(reset=True)
            return
        if not size:
            self._end(reset=False)
            return
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
                return
        self._enqueue(scratch[sent:size])
        self._flush()

    def _enqueue(self, data: memoryview) -> None:
        chunk = Chunk(data=memoryview(bytes(data)), arrived_ns=time.monotonic_ns())
        chunk.shares = [(stage, stage.draw_ns()) for stage in self.stages]
        self._last_due_ns = chunk.schedule(self._last_due_ns)
        self._queue.append(chunk)
        self._queued_bytes += len(data)
        if self._queued_bytes >= QUEUE_BYTES or len(self._queue) >= QUEUE_CHUNKS:
            self._pause_reading()

    def _flush(self) -> None:
        if self.done or self._sink is None:
            return
        while self._queue:
            chunk = self._queue[0]
            now_ns = time.monotonic_ns()
            if chunk.due_ns > now_ns:
                self._await_sink(wanted=False)
                self._wake_at(chunk.due_ns)
                return
            try:
                sent = self._sink.send(chunk.data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                self._fail()
                return
            self._count(sent)
            self._queued_bytes -= sent
            if sent < len(chunk.data):
                chunk.data = chunk.data[sent:]
                self._await_sink(wanted=True)
                return
            self._queue.popleft()
            self._receipt(chunk, now_ns)
        self._await_sink(wanted=False)
        if self._ended:
            self._finish()
        else:
            self.start()

    def _receipt(self, chunk: Chunk, now_ns: int) -> None:
        waited_ns = now_ns - chunk.arrived_ns
        for stage, share_ns in chunk.shares:
            alone = len(chunk.shares) == 1
            self._owner.chunk_delayed(self, stage, waited_ns if alone else share_ns)

    def _wake_at(self, due_ns: int) -> None:
        if self._alarm is not None:
            if self._alarm.due_ns == due_ns:
                return
            self._alarm.cancel()
        self._alarm = Alarm(self._loop, due_ns, self._on_alarm)

    def _on_alarm(self) -> None:
        self._alarm = None
        self._flush()

    def _count(self, sent: int) -> None:
        if sent and self.first_byte_ns is None:
            self.first_byte_ns = time.monotonic_ns()
        self.moved_bytes += sent

    def _end(self, *, reset: bool) -> None:
        self._pause_reading()
        self._ended, self._reset = True, reset
        self._owner.source_ended(self, reset=reset)
        self._flush()

    def _fail(self) -> None:
        self.stop()
        self._owner.sink_failed(self)
        self._owner.pipe_done(self, reset=False)

    def _finish(self) -> None:
        self.stop()
        if not self._reset:
            assert self._sink is not None
            with suppress(OSError):  # the sink may be gone already: then it needs no half-close
                self._sink.shutdown(socket.SHUT_WR)
        self._owner.pipe_done(self, reset=self._reset)
