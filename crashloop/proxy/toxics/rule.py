"""The shape of a toxic: a generator of steps."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from crashloop.proxy.toxics.chunk import Chunk


class Take(NamedTuple):
    """Step: answer with the next chunk; with None when `until_ns` comes first."""

    until_ns: int | None = None


class Wait(NamedTuple):
    """Step: continue at `until_ns` or later; None: never."""

    until_ns: int | None


class Give(NamedTuple):
    """Step: pass a chunk on; `rest` of what was taken stays held."""

    chunk: Chunk
    rest: Chunk | None = None


class Drop(NamedTuple):
    """Step: drop the chunk that is held."""


class Close(NamedTuple):
    """Step: end the stream here; the last one of a toxic."""

    reset: bool = False


Step = Take | Wait | Give | Drop | Close
Steps = Generator[Step, "Chunk | None", None]
"""What a rule does, step by step; it is sent the chunk that a Take asked for."""


class Carrier(Protocol):
    """What a rule may use of the stage that carries it out."""

    now_ns: int
    passed_bytes: int

    @property
    def rng(self) -> random.Random:
        """Random numbers of this fault on this link, from the proxy's seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A toxic: `steps(fault, stage)` begins it on one direction of one link.

    It does no I/O and takes the time from the stage. Ends are passed on unless the
    rule `takes_end`. `holds_chunks` may wait before it: one, as before an
    unbuffered channel, or 1024 before a latency, as in Toxiproxy. `delays`: it delays the bytes
    that it passes on; `delays_end`: the end. `closes_on_heal`: the link cannot continue afterwards.
    """

    steps: Callable[[Any, Carrier], Steps]
    holds_chunks: int = 1
    takes_end: bool = False
    delays: bool = False
    delays_end: bool = False
    closes_on_heal: bool = False
