"""Faults of the built-in proxy: what they refuse, and their form in the API."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashloop.errors import UsageError
from crashloop.proxy.encoding import decode, encode
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
    SlowConnect,
    Timeout,
)


@pytest.mark.parametrize(
    "make",
    [
        lambda s: Hold(delay_s=s),
        lambda s: Latency(latency_s=s),
        lambda s: Latency(latency_s=1, jitter_s=s),
        lambda s: ConnectDelay(delay_s=s),
        lambda s: SlowConnect(low_s=s, high_s=30),
        lambda s: SlowConnect(low_s=1, high_s=s),
        lambda s: SlowConnect(low_s=1, high_s=2, slot_s=s),
        lambda s: SlowConnect(low_s=1, high_s=2, each_other_s=s),
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
        (lambda: SlowConnect(low_s=0, high_s=0), "a highest time above 0"),
        (lambda: SlowConnect(low_s=3, high_s=2), "not below the lowest one"),
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
    (
        SlowConnect(low_s=10, high_s=30, slot_s=10, each_other_s=0.5, each_client=True),
        {"low": 10000, "high": 30000, "slot": 10000, "each_other": 500, "each_client": True},
    ),
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


SLOTS = st.integers(0, 10_000)
SEEDS = st.integers(0, 2**32 - 1)
LOW_AND_HIGH = st.tuples(st.floats(0, 100), st.floats(0.001, 100)).map(sorted)


@given(LOW_AND_HIGH, SLOTS, SEEDS)
def test_a_slots_draw_is_within_its_bounds_and_is_drawn_again(
    bounds: list[float], slot: int, seed: int
) -> None:
    fault = SlowConnect(low_s=bounds[0], high_s=bounds[1], slot_s=10)
    drawn_s = fault.drawn_s(slot, seed=seed, fault_id="scaling")
    assert fault.low_s <= drawn_s <= fault.high_s
    assert fault.drawn_s(slot, seed=seed, fault_id="scaling") == drawn_s


@given(SLOTS, SEEDS, st.sampled_from([1, 2, 10, 20]))
def test_a_scaled_fault_draws_the_same_share_of_its_range(
    slot: int, seed: int, scale: float
) -> None:
    whole = SlowConnect(low_s=10, high_s=30, slot_s=10)
    scaled = SlowConnect(low_s=10 / scale, high_s=30 / scale, slot_s=10 / scale)
    drawn_s = whole.drawn_s(slot, seed=seed, fault_id="scaling")
    assert scaled.drawn_s(slot, seed=seed, fault_id="scaling") * scale == pytest.approx(drawn_s)


@given(st.floats(0, 100_000), st.floats(0.001, 1000))
def test_every_instant_is_in_the_slot_that_began_last(after_s: float, slot_s: float) -> None:
    slot = SlowConnect(low_s=1, high_s=2, slot_s=slot_s).slot(after_s)
    assert slot * slot_s <= after_s * (1 + 1e-9)
    assert after_s <= (slot + 1) * slot_s * (1 + 1e-9)


def test_draws_differ_by_seed_by_fault_and_by_slot() -> None:
    fault = SlowConnect(low_s=10, high_s=30, slot_s=10)
    draws = {
        fault.drawn_s(slot, seed=seed, fault_id=fault_id)
        for seed in (1, 2)
        for fault_id in ("a", "b")
        for slot in range(50)
    }
    assert len(draws) == 200


def test_without_slots_one_draw_is_for_all_of_the_time() -> None:
    fault = SlowConnect(low_s=10, high_s=30)
    assert {fault.slot(after_s) for after_s in (0, 9.9, 10, 86_400)} == {0}


def test_the_first_draws_of_a_seed_never_change() -> None:
    """A trial of a comparison is run again from its seed alone, perhaps by a later version."""
    fault = SlowConnect(low_s=10, high_s=30, slot_s=10)
    draws = [fault.drawn_s(slot, seed=7, fault_id="connector-scaling") for slot in range(4)]
    assert draws == pytest.approx([12.1628, 26.5418, 29.058, 21.2732], abs=1e-4)
