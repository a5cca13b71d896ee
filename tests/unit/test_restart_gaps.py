"""The comparison of gaps with the model's, tried with gaps that are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crashloop_traces import TraceBuilder
from restart_gaps import Gap, overhead_s, restart_gaps, unlike_the_model

from crashloop.incidents import incident
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from collections.abc import Sequence

PLATFORM = parse_platform("docker:always")
LIVES_S = [0.5] * 8 + [12.0]
BACKOFFS_S = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 0.1]
OVERHEAD_S = 0.3


def after(lives_s: Sequence[float], seen_s: Sequence[float]) -> list[Gap]:
    """The gaps of a run with these lives, and this long from each death to the next start."""
    run = TraceBuilder(incident("issue-1278").scenario(), scale=1)
    run.add("platform", "process.started", attempt=1)
    for attempt, (life_s, gap_s) in enumerate(zip(lives_s, seen_s, strict=True), start=1):
        run.add(
            "platform", "process.exited", attempt=attempt, after_s=life_s,
            exit_code=3, run_s=life_s, requested=False,
        )  # fmt: skip
        run.add("platform", "process.started", attempt=attempt + 1, after_s=gap_s)
    run.add("platform", "process.exited", attempt=len(lives_s) + 1, after_s=1, requested=True)
    return restart_gaps(run.trace(), PLATFORM)


def found(seen_s: Sequence[float], lives_s: Sequence[float] = LIVES_S) -> list[str]:
    gaps = after(lives_s, seen_s)
    return unlike_the_model(gaps, overhead_s=overhead_s(gaps))


def and_overhead(backoffs_s: Sequence[float]) -> list[float]:
    return [backoff_s + OVERHEAD_S for backoff_s in backoffs_s]


def changed(number: int, by_s: float) -> list[float]:
    """The right gaps, less the one that is wrong."""
    seen_s = and_overhead(BACKOFFS_S)
    seen_s[number - 1] += by_s
    return seen_s


def test_the_models_backoff_is_for_the_lives_that_were_seen() -> None:
    gaps = after(LIVES_S, and_overhead(BACKOFFS_S))
    assert [gap.after_run_s for gap in gaps] == LIVES_S
    assert [gap.backoff_s for gap in gaps] == pytest.approx(BACKOFFS_S)
    assert [gap.seen_s for gap in gaps] == pytest.approx(and_overhead(BACKOFFS_S))
    assert overhead_s(gaps) == pytest.approx(OVERHEAD_S)


def test_backoffs_that_double_and_start_over_are_the_models() -> None:
    assert found(and_overhead(BACKOFFS_S)) == []
    assert found(changed(3, 0.19)) == []
    assert found(changed(8, 1.9)) == []


@pytest.mark.parametrize(
    "backoffs_s",
    [
        pytest.param([0.1] * 9, id="not doubled"),
        pytest.param([0.1 * 3**n for n in range(8)] + [0.1], id="tripled"),
        pytest.param([0.1 * n for n in range(1, 9)] + [0.1], id="grown by as much each time"),
        pytest.param([0.1 * 2**n for n in range(9)], id="not reset by a long life"),
        pytest.param([0.1, 0.2, 0.4, 0.1, 0.2, 0.4, 0.8, 1.6, 0.1], id="reset by a short life"),
        pytest.param([min(0.1 * 2**n, 5.0) for n in range(8)] + [0.1], id="capped too early"),
        pytest.param([0.2 * 2**n for n in range(8)] + [0.2], id="twice as long"),
    ],
)
def test_another_rule_than_dockers_is_found(backoffs_s: list[float]) -> None:
    assert found(and_overhead(backoffs_s))


@pytest.mark.parametrize(("number", "by_s"), [(1, 0.21), (4, 0.21), (4, -0.21), (5, 0.3), (8, -2)])
def test_one_gap_that_is_off_is_named(number: int, by_s: float) -> None:
    assert any(words.startswith(f"gap {number}, ") for words in found(changed(number, by_s)))


def test_a_start_inside_the_backoff_is_found_however_small_the_rest() -> None:
    gaps = after(LIVES_S, [backoff_s - 0.01 for backoff_s in BACKOFFS_S])
    wrong = unlike_the_model(gaps, overhead_s=0.0)
    assert len(wrong) == len(BACKOFFS_S)
    assert "gap 1, 0.090 s after a life of 0.50 s, is inside its back-off of 0.1 s" in wrong


def test_a_model_that_forgets_to_start_over_does_not_excuse_docker() -> None:
    gaps = [
        Gap(after_run_s=life_s, backoff_s=0.1 * 2**n, seen_s=0.1 * 2**n + OVERHEAD_S)
        for n, life_s in enumerate(LIVES_S)
    ]
    (wrong,) = unlike_the_model(gaps, overhead_s=OVERHEAD_S)
    assert wrong.startswith("the back-off did not start over: 25.900 s after a life of 12.00 s")


def test_nothing_seen_is_not_agreement() -> None:
    assert unlike_the_model([], overhead_s=0.0) == ["no gap was seen"]
    short = LIVES_S[:-1]
    assert found(and_overhead(BACKOFFS_S[:-1]), short) == [
        "no restart after a life of 10 s or more was seen"
    ]


def test_a_death_that_nothing_was_started_after_is_not_a_gap() -> None:
    run = TraceBuilder(incident("issue-1278").scenario(), scale=1)
    run.add("platform", "process.started", attempt=1)
    run.add("platform", "process.exited", attempt=1, exit_code=3, run_s=1.0, requested=False)
    with pytest.raises(ValueError, match="zip"):
        restart_gaps(run.trace(), PLATFORM)
