"""Bandwidth: bytes leave at a rate, large chunks in pieces of 100 ms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.clock import NS_PER_S
from crashloop.proxy.toxics.rule import Give, Rule, Step, Take, Wait

if TYPE_CHECKING:
    from collections.abc import Generator

    from crashloop.proxy.faults import Bandwidth
    from crashloop.proxy.toxics.chunk import Chunk
    from crashloop.proxy.toxics.rule import Carrier

PIECE_NS = NS_PER_S // 10


def _steps(fault: Bandwidth, stage: Carrier) -> Generator[Step, Chunk | None, None]:
    rate_bytes_s = fault.rate_bytes_s
    owed_ns = 0
    while True:
        chunk = yield Take()
        assert chunk is not None
        if not rate_bytes_s:
            yield Wait(None)
        owed_ns += len(chunk.data) * NS_PER_S // rate_bytes_s
        piece_bytes = max(1, rate_bytes_s * PIECE_NS // NS_PER_S)
        rest: Chunk | None = chunk
        while rest is not None:
            begun_ns = stage.now_ns
            last = len(rest.data) <= piece_bytes
            yield Wait(begun_ns + (owed_ns if last else PIECE_NS))
            # A timer is late by a little: what was waited too long is not owed any more.
            owed_ns -= stage.now_ns - begun_ns
            piece, rest = rest.split(piece_bytes, stage.now_ns)
            yield Give(piece, rest)


BANDWIDTH = Rule(steps=_steps, delays=True)
