"""Fault records of the built-in proxy."""

import math
from collections.abc import Callable

import pytest

from crashloop.errors import UsageError
from crashloop.proxy import (
    AcceptClose,
    Bandwidth,
    BlackHole,
    ConnectDelay,
    Fault,
    Hold,
    Latency,
    LimitData,
    Refuse,
    Slicer,
)


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


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Latency(latency_s=1, toxicity=1.5), "share"),
        (lambda: Hold(toxicity=math.nan), "share"),
        (lambda: AcceptClose(connections=0), "whole number"),
        (lambda: Refuse(connections=-1), "whole number"),
        (lambda: Bandwidth(rate_bytes_s=-1), "whole number"),
        (lambda: LimitData(limit_bytes=-1), "whole number"),
        (lambda: Slicer(average_bytes=0), "whole number"),
        (lambda: Slicer(average_bytes=5, variation_bytes=6), "less than no bytes"),
    ],
)
def test_parameters_without_a_meaning_are_refused(make: Callable[[], Fault], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make()
