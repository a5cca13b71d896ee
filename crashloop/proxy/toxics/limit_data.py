"""Limit data: the connection closes when so many bytes have passed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.proxy.toxics.rule import Close, Give, Rule, Step, Take

if TYPE_CHECKING:
    from collections.abc import Generator

    from crashloop.proxy.faults import LimitData
    from crashloop.proxy.toxics.chunk import Chunk
    from crashloop.proxy.toxics.rule import Carrier


def _steps(fault: LimitData, stage: Carrier) -> Generator[Step, Chunk | None, None]:
    while True:
        chunk = yield Take()
        assert chunk is not None
        left_bytes = fault.limit_bytes - stage.passed_bytes
        if left_bytes > 0:
            head, rest = chunk.split(left_bytes, stage.now_ns)
            yield Give(head, rest)
        if stage.passed_bytes >= fault.limit_bytes:
            yield Close()


LIMIT_DATA = Rule(steps=_steps)
