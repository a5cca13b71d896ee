"""Latency: every chunk leaves a delay after it arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.clock import NS_PER_S
from crashloop.proxy.toxics.rule import Give, Rule, Step, Take, Wait

if TYPE_CHECKING:
    from collections.abc import Generator

    from crashloop.proxy.faults import Latency
    from crashloop.proxy.toxics.chunk import Chunk
    from crashloop.proxy.toxics.rule import Carrier


def _steps(fault: Latency, stage: Carrier) -> Generator[Step, Chunk | None, None]:
    while True:
        chunk = yield Take()
        assert chunk is not None
        delay_s = fault.latency_s
        if fault.jitter_s:
            delay_s += stage.dice.uniform(-fault.jitter_s, fault.jitter_s)
        due_ns = chunk.at_ns + max(0, round(delay_s * NS_PER_S))
        yield Wait(due_ns)
        chunk.at_ns = due_ns
        yield Give(chunk)


LATENCY = Rule(steps=_steps, holds_chunks=1024, delays=True)
