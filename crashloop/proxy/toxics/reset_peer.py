"""Reset peer: both sides are reset a while after something came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.clock import NS_PER_S
from crashloop.proxy.toxics.rule import Close, Rule, Step, Take, Wait

if TYPE_CHECKING:
    from collections.abc import Generator

    from crashloop.proxy.faults import ResetPeer
    from crashloop.proxy.toxics.chunk import Chunk
    from crashloop.proxy.toxics.rule import Carrier


def _steps(fault: ResetPeer, stage: Carrier) -> Generator[Step, Chunk | None, None]:
    yield Take()
    yield Wait(stage.now_ns + round(fault.timeout_s * NS_PER_S))
    yield Close(reset=True)


RESET_PEER = Rule(steps=_steps, takes_end=True)
