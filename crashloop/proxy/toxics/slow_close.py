"""Slow close: the end of the stream comes late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.clock import NS_PER_S
from crashloop.proxy.toxics.rule import Give, Rule, Step, Take, Wait

if TYPE_CHECKING:
    from collections.abc import Generator

    from crashloop.proxy.faults import SlowClose
    from crashloop.proxy.toxics.chunk import Chunk
    from crashloop.proxy.toxics.rule import Carrier


def _steps(fault: SlowClose, stage: Carrier) -> Generator[Step, Chunk | None, None]:
    while True:
        chunk = yield Take()
        assert chunk is not None
        if chunk.end is not None:
            yield Wait(stage.now_ns + round(fault.delay_s * NS_PER_S))
        yield Give(chunk)


SLOW_CLOSE = Rule(steps=_steps, takes_end=True)
