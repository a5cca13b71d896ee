"""Fault records of the built-in proxy, and the stage that delays chunks."""

import math
from collections.abc import Callable

import pytest

from crashloop.errors import UsageError
from crashloop.proxy import BlackHole, ConnectDelay, Fault, Hold, Latency, Refuse
from crashloop.proxy.delay import Chunk, Delay


@pytest.mark.parametrize(
    "make",
    [
        lambda s: Hold(delay_s=s),
        lambda s: Latency(latency_s=s),
        lambda s: Latency(latency_s=1, jitter_s=s),
        lambda s: ConnectDelay(delay_s=s),
    ],
)
@pytest.mark.parametrize("seconds", [-0.1, math.nan, math.inf])
def test_seconds_that_cannot_pass_are_refused(
    make: Callable[[float], Fault], seconds: float
) -> None:
    with pytest.raises(UsageError, match="wall seconds"):
        make(seconds)


def test_each_fault_declares_who_proves_it_and_where_it_works() -> None:
    assert {kind.grade for kind in (Hold, Latency)} == {"direct"}
    assert {kind.grade for kind in (BlackHole, ConnectDelay)} == {"kernel"}
    assert Refuse.grade == "client"
    assert BlackHole.transports == ConnectDelay.transports == {"tcp"}
    assert Hold.transports == Latency.transports == Refuse.transports == {"tcp", "unix"}


def test_jitter_stays_in_its_range_and_repeats_with_its_seed() -> None:
    def draws(seed: int, link: str) -> list[int]:
        fault = Latency(latency_s=0.01, jitter_s=0.02, seed=seed)
        delay = Delay(fault_id="f", fault=fault, link=link)
        return [delay.draw_ns() for _ in range(200)]

    assert draws(1, "a") == draws(1, "a")
    assert draws(1, "a") != draws(2, "a")
    assert draws(1, "a") != draws(1, "b")
    assert min(draws(1, "a")) == 0
    assert 25_000_000 < max(draws(1, "a")) <= 30_000_000


def test_a_chunk_is_never_due_before_the_one_ahead_of_it() -> None:
    delay = Delay(fault_id="f", fault=Latency(latency_s=0), link="a")
    chunk = Chunk(data=memoryview(b"x"), arrived_ns=100, shares=[(delay, 5), (delay, 7)])
    assert chunk.schedule(0) == 112
    assert chunk.schedule(300) == 300
