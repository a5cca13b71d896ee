"""Slicer: chunks leave in small slices, with a pause after each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.clock import NS_PER_S
from crashloop.proxy.toxics.rule import Give, Rule, Step, Take, Wait

if TYPE_CHECKING:
    import random
    from collections.abc import Generator, Iterator

    from crashloop.proxy.faults import Slicer
    from crashloop.proxy.toxics.chunk import Chunk
    from crashloop.proxy.toxics.rule import Carrier


def slice_sizes(size_bytes: int, fault: Slicer, dice: random.Random) -> Iterator[int]:
    """Sizes that add up to `size_bytes`: halved, varied, until none is above the average's range.

    Toxiproxy's own way of cutting, so the sizes are distributed as its are.
    """
    waiting = [size_bytes]
    while waiting:
        size = waiting.pop()
        if size - fault.average_bytes <= fault.variation_bytes:
            if size:
                yield size
            continue
        half = size // 2
        if fault.variation_bytes:
            half += dice.randrange(2 * fault.variation_bytes) - fault.variation_bytes
        waiting += [size - half, half]


def _steps(fault: Slicer, stage: Carrier) -> Generator[Step, Chunk | None, None]:
    delay_ns = round(fault.delay_s * NS_PER_S)
    while True:
        rest = yield Take()
        assert rest is not None
        for size in slice_sizes(len(rest.data), fault, stage.dice):
            assert rest is not None
            piece, rest = rest.split(size, stage.now_ns)
            yield Give(piece, rest)
            if delay_ns:
                yield Wait(stage.now_ns + delay_ns)


SLICER = Rule(steps=_steps, delays=True)
