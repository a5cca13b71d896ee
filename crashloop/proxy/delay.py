"""The stage that delays a link's chunks."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crashloop.proxy.faults import Latency


@dataclass(slots=True, kw_only=True)
class Chunk:
    """Bytes read at once from a source, on their way through the stages.

    `shares` has each stage's part of the delay in ns; `due_ns` is when the chunk may be written.
    """

    data: memoryview
    arrived_ns: int
    due_ns: int = 0
    shares: list[tuple[Delay, int]] = field(default_factory=list)

    def schedule(self, not_before_ns: int) -> int:
        """Set and return the due instant: arrival plus all shares, never out of order."""
        due_ns = self.arrived_ns + sum(share_ns for _, share_ns in self.shares)
        self.due_ns = max(due_ns, not_before_ns)
        return self.due_ns


class Delay:
    """One Latency fault on one direction of one link; counts what it did."""

    __slots__ = ("_fault", "_random", "chunks", "delayed_ns", "direction", "fault_id")

    def __init__(self, *, fault_id: str, fault: Latency, link: str) -> None:
        self._fault = fault
        self._random = random.Random(f"{fault.seed}/{link}/{fault.direction}")  # noqa: S311  jitter, not a secret
        self.fault_id = fault_id
        self.direction = fault.direction
        self.chunks = 0
        self.delayed_ns = 0

    def draw_ns(self) -> int:
        """The delay of the next chunk, zero or more."""
        jitter_s = self._fault.jitter_s
        drawn_s = self._fault.latency_s
        if jitter_s:
            drawn_s += self._random.uniform(-jitter_s, jitter_s)
        return max(0, round(drawn_s * 1e9))

    def count(self, delayed_ns: int) -> int:
        """Note that a chunk was delayed; returns its number, from 1."""
        self.chunks += 1
        self.delayed_ns += delayed_ns
        return self.chunks
