"""The toxics of one direction of a link, in order, and the bytes that may leave it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crashloop.proxy.faults import LinkFault
    from crashloop.proxy.toxics.chunk import Chunk
    from crashloop.proxy.toxics.stage import Stage, Target, Witness

OUTBOX_BYTES = 256 * 1024
OUTBOX_CHUNKS = 64


class Outbox:
    """The chunks that may leave now, in order."""

    __slots__ = ("chunks", "size_bytes")

    def __init__(self) -> None:
        self.chunks: deque[Chunk] = deque()
        self.size_bytes = 0

    @property
    def has_room(self) -> bool:
        """Whether one more chunk may come."""
        return self.size_bytes < OUTBOX_BYTES and len(self.chunks) < OUTBOX_CHUNKS

    def put(self, chunk: Chunk) -> None:
        """Add a chunk."""
        self.chunks.append(chunk)
        self.size_bytes += len(chunk.data)

    def take(self, size_bytes: int) -> bool:
        """Remove so many bytes of the first chunk; returns whether that was all of it."""
        chunk = self.chunks[0]
        self.size_bytes -= size_bytes
        if size_bytes < len(chunk.data):
            chunk.data = chunk.data[size_bytes:]
            return False
        self.chunks.popleft()
        return True


class Chain:
    """Bytes enter by `put` and leave by `outbox`, in order; only a toxic drops any.

    Pure: `advance` gets the time, and `due_ns` is when it must be called again.
    """

    __slots__ = ("due_ns", "outbox", "stages", "witness")

    def __init__(self, witness: Witness) -> None:
        self.stages: list[Stage] = []
        self.outbox = Outbox()
        self.witness = witness
        self.due_ns: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether bytes may pass without the chain."""
        return not self.stages and not self.outbox.chunks

    @property
    def has_room(self) -> bool:
        """Whether the source may be read."""
        return self._first.has_room

    @property
    def closed_by(self) -> Stage | None:
        """The toxic that ended the stream, if one did."""
        for stage in self.stages:
            if stage.closed:
                return stage
        return None

    def put(self, chunk: Chunk) -> None:
        """Add what the source sent."""
        self._first.put(chunk)

    def advance(self, now_ns: int) -> None:
        """Move what can move at this time."""
        moved = bool(self.stages)
        while moved:
            moved = False
            for index in reversed(range(len(self.stages))):
                moved |= self.stages[index].advance(now_ns, self._after(index), self.witness)
        dues = [stage.due_ns for stage in self.stages if stage.due_ns is not None]
        self.due_ns = min(dues, default=None)

    def add(self, stage: Stage) -> None:
        """Add a toxic at the end; what the others hold goes through it later."""
        self.stages.append(stage)

    def change(self, fault_id: str, fault: LinkFault, now_ns: int) -> None:
        """Restart a toxic: the chunk that it holds is passed on, the rest follows the new rule."""
        for index, stage in enumerate(self.stages):
            if stage.fault_id == fault_id and stage.end is None:
                stage.release(now_ns, self._after(index), self.witness)
                stage.begin(fault, now_ns)

    def remove(self, fault_id: str, now_ns: int) -> None:
        """Remove a toxic; what only it held is passed on at once, in order.

        One that has ended the stream stays, because its end is on the way.
        """
        for index, stage in enumerate(self.stages):
            if stage.fault_id != fault_id or stage.end is not None:
                continue
            after = self._after(index)
            if stage.closes_on_heal:
                stage.now_ns = now_ns
                stage.close(after, self.witness)
            else:
                stage.flush(now_ns, after, self.witness)
                del self.stages[index]
            return

    @property
    def _first(self) -> Target:
        return self.stages[0] if self.stages else self.outbox

    def _after(self, index: int) -> Target:
        return self.stages[index + 1] if index + 1 < len(self.stages) else self.outbox
