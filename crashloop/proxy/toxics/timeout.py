"""Timeout: nothing passes, and the connection closes after a while without data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.clock import NS_PER_S
from crashloop.proxy.toxics.rule import Close, Drop, Rule, Step, Take

if TYPE_CHECKING:
    from collections.abc import Generator

    from crashloop.proxy.faults import Timeout
    from crashloop.proxy.toxics.chunk import Chunk
    from crashloop.proxy.toxics.rule import Carrier


def _steps(fault: Timeout, stage: Carrier) -> Generator[Step, Chunk | None, None]:
    timeout_ns = round(fault.timeout_s * NS_PER_S)
    while (yield Take(stage.now_ns + timeout_ns if timeout_ns else None)) is not None:
        yield Drop()
    yield Close()


TIMEOUT = Rule(steps=_steps, closes_on_heal=True)
