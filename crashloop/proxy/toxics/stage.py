"""One toxic on one direction of one link, carried out as time and room allow."""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING, Protocol

from crashloop.proxy.toxics.chunk import Chunk, End
from crashloop.proxy.toxics.rule import Close, Drop, Give, Take, Wait
from crashloop.proxy.toxics.rules import RULES, SPARED

if TYPE_CHECKING:
    from crashloop.proxy.faults import LinkFault
    from crashloop.proxy.toxics.rule import Steps

INBOX_BYTES = 16 * 1024 * 1024
"""What may wait before one toxic at most: 100 ms of latency at 160 MB/s."""


class Target(Protocol):
    """Where a stage puts its chunks: the next stage, or the outbox."""

    @property
    def has_room(self) -> bool:
        """Whether there is room for another chunk."""

    def put(self, chunk: Chunk) -> None:
        """Add a chunk."""


class Witness(Protocol):
    """What toxics report to."""

    def delayed(self, stage: Stage, waited_ns: int) -> None:
        """A toxic that delays has passed a chunk on, or the end of the stream."""

    def dropped(self, stage: Stage, size_bytes: int) -> None:
        """A toxic has dropped bytes."""


class Stage:
    """Carry out one toxic; pure: its caller passes the time.

    `active` says whether the toxic takes this link; `end` how the stream ended here, if it did,
    and `closed` whether by this toxic; `due_ns` when time alone allows more, or None.
    """

    def __init__(self, *, fault_id: str, fault: LinkFault, seed: str, now_ns: int) -> None:
        self.fault_id = fault_id
        self.inbox: deque[Chunk] = deque()
        self.inbox_bytes = 0
        self.hand: Chunk | None = None
        self.end: End | None = None
        self.closed = False
        self.due_ns: int | None = None
        self.passed_bytes = 0
        self.dropped_bytes = 0
        self.chunks = 0
        self.delayed_ns = 0
        self._seed = seed
        self._rng: random.Random | None = None
        self.begin(fault, now_ns)

    @property
    def rng(self) -> random.Random:
        """The random numbers of the stage: the same for the same seed, link and fault."""
        if self._rng is None:
            self._rng = random.Random(self._seed)  # noqa: S311  a fault's draws, not a secret
        return self._rng

    @property
    def has_room(self) -> bool:
        """Whether there is room for another chunk."""
        return len(self.inbox) < self._rule.holds_chunks and self.inbox_bytes < INBOX_BYTES

    @property
    def closes_on_heal(self) -> bool:
        """Whether the link must close when this toxic is removed."""
        return self.active and self._rule.closes_on_heal

    def begin(self, fault: LinkFault, now_ns: int) -> None:
        """Draw whether the toxic takes this link, and start it on what waits in the inbox."""
        self.fault = fault
        self.now_ns = now_ns
        self.active = fault.toxicity >= 1 or self.rng.random() < fault.toxicity
        self._rule = RULES[type(fault)] if self.active else SPARED
        self._steps: Steps = self._rule.steps(fault, self)
        self._step = next(self._steps)

    def put(self, chunk: Chunk) -> None:
        """Add a chunk to the inbox."""
        self.inbox.append(chunk)
        self.inbox_bytes += len(chunk.data)

    def advance(self, now_ns: int, target: Target, witness: Witness) -> bool:
        """Carry out what the time and the target's room allow; returns whether anything moved."""
        moved = False
        self.now_ns = now_ns
        self.due_ns = None
        while self.end is None and self._may_go(target):
            moved |= type(self._step) is not Wait
            answer = self._carry_out(target, witness)
            if self.end is None:
                self._step = self._steps.send(answer)
        return moved

    def release(self, now_ns: int, target: Target, witness: Witness) -> None:
        """Stop the toxic and pass on the chunk that it holds, whether there is room or not.

        A held end of the stream returns to the inbox: its delay starts again, as in Toxiproxy.
        """
        self.now_ns = now_ns
        self._steps.close()
        if self.hand is None:
            return
        if self.hand.end is None:
            self._pass(self.hand, target, witness)
        else:
            self.inbox.appendleft(self.hand)
            self.hand = None

    def flush(self, now_ns: int, target: Target, witness: Witness) -> None:
        """Stop the toxic for good and pass on all its chunks, in order."""
        self.release(now_ns, target, witness)
        while self.inbox:
            self._pass(self._take(), target, witness)

    def close(self, target: Target, witness: Witness, *, reset: bool = False) -> None:
        """End the stream now; the chunk that is held is dropped."""
        self.closed = True
        self._drop(witness)
        self._pass(Chunk.ending("reset" if reset else "close", self.now_ns), target, witness)

    def _may_go(self, target: Target) -> bool:
        match self._step:
            case Take(until_ns):
                self.due_ns = None if self.inbox else until_ns
                return bool(self.inbox) or (until_ns is not None and self.now_ns >= until_ns)
            case Wait(until_ns):
                self.due_ns = until_ns
                return until_ns is not None and self.now_ns >= until_ns
            case Give(chunk, _):
                self.due_ns = None
                return target.has_room or chunk.end is not None
        return True

    def _carry_out(self, target: Target, witness: Witness) -> Chunk | None:
        match self._step:
            case Take() if self.inbox:
                chunk = self._take()
                if chunk.end is None or self._rule.takes_end:
                    return chunk
                self._pass(chunk, target, witness)
            case Give(chunk, rest):
                self._pass(chunk, target, witness)
                self.hand = rest
            case Drop():
                self._drop(witness)
            case Close(reset):
                self.close(target, witness, reset=reset)
        return None

    def _take(self) -> Chunk:
        chunk = self.inbox.popleft()
        self.inbox_bytes -= len(chunk.data)
        self.hand = chunk
        return chunk

    def _pass(self, chunk: Chunk, target: Target, witness: Witness) -> None:
        self.hand = None
        delays = self._rule.delays
        if chunk.end is not None:
            self.end = chunk.end
            self.due_ns = None
            delays = self._rule.delays_end
        self.passed_bytes += len(chunk.data)
        if delays:
            waited_ns = self.now_ns - chunk.entered_ns
            self.chunks += 1
            self.delayed_ns += waited_ns
            witness.delayed(self, waited_ns)
        chunk.entered_ns = self.now_ns
        target.put(chunk)

    def _drop(self, witness: Witness) -> None:
        if self.hand is not None and self.hand.data:
            self.dropped_bytes += len(self.hand.data)
            witness.dropped(self, len(self.hand.data))
        self.hand = None
