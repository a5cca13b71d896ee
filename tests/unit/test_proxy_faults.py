"""Faults of the built-in proxy: what they refuse, and their form in the API."""

import math
from collections.abc import Callable

import pytest

from crashloop.errors import UsageError
from crashloop.proxy.faults import (
    KINDS,
    AcceptClose,
    Bandwidth,
    BlackHole,
    ConnectDelay,
    Fault,
    Hold,
    Latency,
    LimitData,
    Refuse,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
    decode,
    encode,
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


FORMS: list[tuple[Fault, dict[str, object]]] = [
    (Latency(latency_s=0.005, jitter_s=0.002), {"latency": 5, "jitter": 2}),
    (Latency(latency_s=0.0005, connections=3), {"latency": 0.5, "jitter": 0, "connections": 3}),
    (Bandwidth(rate_bytes_s=7500), {"rate": 7.5}),
    (SlowClose(delay_s=0.01), {"delay": 10}),
    (Timeout(timeout_s=0), {"timeout": 0}),
    (ResetPeer(timeout_s=0.001), {"timeout": 1}),
    (
        Slicer(average_bytes=9, variation_bytes=3, delay_s=0.00025),
        {"average_size": 9, "size_variation": 3, "delay": 250},
    ),
    (LimitData(limit_bytes=100), {"bytes": 100}),
    (Hold(), {"delay": 0}),
    (AcceptClose(reset=True), {"reset": True}),
    (Refuse(connections=2), {"connections": 2}),
    (BlackHole(), {}),
    (ConnectDelay(delay_s=3), {"delay": 3000}),
]


@pytest.mark.parametrize(("fault", "form"), FORMS)
def test_a_fault_is_written_in_the_apis_units_and_read_back(
    fault: Fault, form: dict[str, int | float | bool]
) -> None:
    assert encode(fault) == form
    assert decode(type(fault), form) == fault


def test_every_kind_has_a_form_here() -> None:
    assert {fault.kind for fault, _ in FORMS} == set(KINDS)
