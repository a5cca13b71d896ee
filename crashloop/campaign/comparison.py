"""The whole comparison from its arms, and what it ends with. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.campaign.decision import decide_so_far
from crashloop.campaign.interval import wilson
from crashloop.model import Verdict
from crashloop.model.comparison import NO_REMEDY, Arm, Met, NotCounted, Outage, Rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.campaign.looks import Look
    from crashloop.campaign.measure import Measured
    from crashloop.campaign.sample import Sample
    from crashloop.campaign.tally import Tally
    from crashloop.model.comparison import Comparison, Criterion

SOME_MET, NONE_MET, UNDECIDED = 0, 10, 11


def arm_of(
    tally: Tally,
    criteria: Sequence[Criterion],
    looks: Sequence[Look],
    *,
    remedy: str,
    connector: str,
    time_scale: float,
    scale_note: str = "",
) -> Arm:
    """An arm as far as its trials go; those after its decision are left out.

    `tally` has the trials from the first on, without a gap.
    """
    needs_outage = remedy == NO_REMEDY
    decision = decide_so_far(tally, criteria, looks, needs_outage=needs_outage)
    seen = tally.first(decision.trials)
    return Arm(
        remedy=remedy,
        connector=connector,
        trials=len(seen.trials),
        inconclusive=len(seen.inconclusive),
        success=_rate(seen.sample("success")),
        phase_failure=_rate(seen.sample("phase_failure")),
        loops=_rate(seen.sample("loops")),
        golden_path=_rate(seen.sample("golden_path")),
        recovery=seen.recovery,
        connections_peak=seen.connections_peak,
        criteria=decision.results,
        time_scale=time_scale,
        scale_note=scale_note,
        near_limit=tuple(
            _near(number, each)
            for number, each in enumerate(seen.trials, start=1)
            if each.is_near_limit
        ),
        reproduced=decision.reproduced,
        outage=_outage(seen) if needs_outage else None,
    )


def exit_status(comparison: Comparison) -> int:
    """0: some arm meets all criteria. 10: none does. 11: undecided, or there was no outage.

    An arm counts if the arm without a remedy behind the same connector was REPRODUCED: more than
    half of its trials were, by the exact bound that decides every criterion, and it does not meet
    all criteria itself. With 100 trials at most, that takes all of the first 10, or 17 of 20.
    """
    results = [
        each.result if each.connector in comparison.with_outage else Met.NOT_ENOUGH_TRIALS
        for each in comparison.arms
    ]
    if Met.MET in results:
        return SOME_MET
    return UNDECIDED if Met.NOT_ENOUGH_TRIALS in results or not results else NONE_MET


def _outage(tally: Tally) -> Outage:
    """How many counted trials show the outage, and what the others lack."""
    missed = [
        (number, each)
        for number, each in enumerate(tally.trials, start=1)
        if each.counts and each.verdict is not Verdict.REPRODUCED
    ]
    loop_only = sum(each.loop for _, each in missed)
    number, first = missed[0] if missed else (None, None)
    return Outage(
        shown=len(tally.counted) - len(missed),
        loop_only=loop_only,
        absent=len(missed) - loop_only,
        trial=number,
        why=first.reason if first else "",
    )


def _rate(sample: Sample) -> Rate:
    """The rate with Wilson's interval, for as many lives as these are worth."""
    if not sample.size:
        return Rate(k=0, n=0)
    rate = sample.k / sample.n
    low, high = wilson(rate * sample.size, sample.size)
    return Rate(k=sample.k, n=sample.n, rate=rate, low=low, high=high)


def _near(number: int, trial: Measured) -> NotCounted:
    return NotCounted(
        trial=number,
        why="; ".join(trial.near_limit),
        command=trial.command,
        trace=trial.trace,
    )
