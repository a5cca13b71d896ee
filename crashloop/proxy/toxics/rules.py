"""Toxiproxy's toxics, one rule for each link fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.clock import NS_PER_S
from crashloop.proxy.faults import (
    Bandwidth,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
)
from crashloop.proxy.toxics.rule import Close, Drop, Give, Rule, Take, Wait

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from crashloop.proxy.faults import LinkFault
    from crashloop.proxy.toxics.rule import Carrier, Steps

PIECE_NS = NS_PER_S // 10
"""Bandwidth sends a large chunk in pieces of this much time."""


def _latency(fault: Latency, stage: Carrier) -> Steps:
    while True:
        chunk = yield Take()
        assert chunk is not None
        delay_s = fault.latency_s
        if fault.jitter_s:
            delay_s += stage.rng.uniform(-fault.jitter_s, fault.jitter_s)
        due_ns = chunk.at_ns + max(0, round(delay_s * NS_PER_S))
        yield Wait(due_ns)
        chunk.at_ns = due_ns
        yield Give(chunk)


def _bandwidth(fault: Bandwidth, stage: Carrier) -> Steps:
    rate_bytes_s = fault.rate_bytes_s
    owed_ns = 0
    while True:
        rest = yield Take()
        assert rest is not None
        if not rate_bytes_s:
            yield Wait(None)
        owed_ns += len(rest.data) * NS_PER_S // rate_bytes_s
        piece_bytes = max(1, rate_bytes_s * PIECE_NS // NS_PER_S)
        while rest is not None:
            begun_ns = stage.now_ns
            last = len(rest.data) <= piece_bytes
            yield Wait(begun_ns + (owed_ns if last else PIECE_NS))
            # Timers are slightly late: subtract the time that really passed.
            owed_ns -= stage.now_ns - begun_ns
            piece, rest = rest.split(piece_bytes, stage.now_ns)
            yield Give(piece, rest)


def _slow_close(fault: SlowClose, stage: Carrier) -> Steps:
    while True:
        chunk = yield Take()
        assert chunk is not None
        if chunk.end is not None:
            yield Wait(stage.now_ns + round(fault.delay_s * NS_PER_S))
        yield Give(chunk)


def _timeout(fault: Timeout, stage: Carrier) -> Steps:
    timeout_ns = round(fault.timeout_s * NS_PER_S)
    while (yield Take(stage.now_ns + timeout_ns if timeout_ns else None)) is not None:
        yield Drop()
    yield Close()


def _reset_peer(fault: ResetPeer, stage: Carrier) -> Steps:
    yield Take()
    yield Wait(stage.now_ns + round(fault.timeout_s * NS_PER_S))
    yield Close(reset=True)


def _slicer(fault: Slicer, stage: Carrier) -> Steps:
    delay_ns = round(fault.delay_s * NS_PER_S)
    while True:
        rest = yield Take()
        assert rest is not None
        for size in _slice_sizes(len(rest.data), fault, stage.rng):
            assert rest is not None
            piece, rest = rest.split(size, stage.now_ns)
            yield Give(piece, rest)
            if delay_ns:
                yield Wait(stage.now_ns + delay_ns)


def _slice_sizes(size_bytes: int, fault: Slicer, rng: random.Random) -> Iterator[int]:
    """Sizes that add up to `size_bytes`: halved, varied, until none is above the average's range.

    Toxiproxy cuts in the same way, so the sizes are distributed as its sizes are.
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
            half += rng.randrange(2 * fault.variation_bytes) - fault.variation_bytes
        waiting += [size - half, half]


def _limit_data(fault: LimitData, stage: Carrier) -> Steps:
    while True:
        chunk = yield Take()
        assert chunk is not None
        left_bytes = fault.limit_bytes - stage.passed_bytes
        if left_bytes > 0:
            head, rest = chunk.split(left_bytes, stage.now_ns)
            yield Give(head, rest)
        if stage.passed_bytes >= fault.limit_bytes:
            yield Close()


def _pass_on(fault: LinkFault, stage: Carrier) -> Steps:
    del fault, stage
    while True:
        chunk = yield Take()
        assert chunk is not None
        yield Give(chunk)


RULES: dict[type[LinkFault], Rule] = {
    Latency: Rule(steps=_latency, holds_chunks=1024, delays=True),
    Bandwidth: Rule(steps=_bandwidth, delays=True),
    SlowClose: Rule(steps=_slow_close, takes_end=True, delays_end=True),
    Timeout: Rule(steps=_timeout, closes_on_heal=True),
    ResetPeer: Rule(steps=_reset_peer, takes_end=True),
    Slicer: Rule(steps=_slicer, delays=True),
    LimitData: Rule(steps=_limit_data),
}
SPARED = Rule(steps=_pass_on)
"""The rule of a link that the fault's toxicity spared."""
