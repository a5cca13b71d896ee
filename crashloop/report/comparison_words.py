"""A comparison in words: what each arm showed, and what all of them add up to. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from crashloop.durations import plain
from crashloop.model.comparison import Met
from crashloop.plural import counted, listed
from crashloop.report.clean import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.model.comparison import Arm, Comparison, Criterion, Rate, Recovery

MAX_NAME = 40
MAX_LISTED = 8
UNCLEAR = (
    "The exit status is 11 all the same: the arm without a remedy does not show the outage, or "
    "meets every criterion too, so nothing says that a remedy ended it."
)
SLACK = 1e-9
"""What a percentage may be off by, so that 0.29 is 29 %."""


def sentences(arm: Arm, criteria: Sequence[Criterion]) -> Iterator[str]:
    """What to know about an arm: its result first, then what was left out and why."""
    yield _verdict(arm, criteria)
    if not arm.has_remedy and arm.reproduced is not Met.MET:
        yield from _outage(arm)
    if arm.near_limit:
        which = [str(each.trial) for each in arm.near_limit]
        if len(which) > MAX_LISTED:
            which = [*which[:MAX_LISTED], "others"]
        one = len(which) == 1
        said = f"Trial{'' if one else 's'} {listed(which)} {'does' if one else 'do'} not count"
        yield f"{said}, because a life came within 5 % of a limit."
    if arm.inconclusive:
        yield f"{_do_not_count(arm.inconclusive)}, because nothing can be concluded."
    if arm.scale_note:
        yield f"Time scale {plain(arm.time_scale)}: {clean(arm.scale_note)}."


def conclusion(comparison: Comparison) -> str:
    """What the arms add up to, in a sentence."""
    tried, outage = [arm for arm in comparison.arms if arm.has_remedy], comparison.with_outage
    met = [_name(arm, comparison) for arm in tried if arm.result is Met.MET]
    open_ = [arm for arm in tried if arm.result is Met.NOT_ENOUGH_TRIALS]
    if not tried:
        return "No remedy was tried."
    verb = "meet" if len(met) > 1 else "meets"
    says = f"{len(met) or 'None'} of {counted(len(tried), 'arm')} with a remedy {verb}"
    which = f": {listed(met)}" if met else ""
    undecided = f" {counted(len(open_), 'arm')} could not be decided." if open_ else ""
    has_status = any(arm.result is Met.MET and arm.connector in outage for arm in tried)
    yet = "" if not met or has_status else f" {UNCLEAR}"
    return f"{says} every criterion{which}.{yet}{undecided}"


def rate_words(rate: Rate) -> str:
    """`97 % [91-99]`; the interval is rounded outwards, and only all is 100 % and none is 0 %."""
    if rate.rate is None or rate.low is None or rate.high is None:
        return "-"
    share = rate.rate if rate.k in {0, rate.n} else min(max(rate.rate, 0.01), 0.99)
    low, high = math.floor(100 * rate.low + SLACK), math.ceil(100 * rate.high - SLACK)
    return f"{share * 100:.0f} % [{low}-{high}]"


def recovery_words(recovery: Recovery) -> str:
    """`12 s, 31 s`: median and 90th percentile; `-` is later than the end of the trial."""
    if recovery.median is None:
        return "-"
    slow = "-" if recovery.p90 is None else f"{_seconds(recovery.p90)} s"
    return f"{_seconds(recovery.median)} s, {slow}"


def _outage(arm: Arm) -> Iterator[str]:
    """Why the arm without a remedy does not show the outage: which trials lack what."""
    found = arm.outage
    if found is None or not arm.counted:
        yield "It does not show the outage, so this comparison cannot say what ends it."
        return
    says = "Too few of its trials show the outage"
    if arm.reproduced is Met.NOT_MET:
        says = "Most of its trials do not show the outage"
    elif found.shown == arm.counted:
        says = "It has too few trials to say that most show the outage"
    parts = [f"{found.shown} of {arm.counted} show it"]
    if found.loop_only:
        parts.append(
            f"{found.loop_only} had a restart loop, but not all that the signature asks for"
        )
    if found.absent:
        parts.append(f"{found.absent} had no restart loop")
    yield f"{says}, so this comparison cannot say what ends it: {'; '.join(parts)}."
    if found.why:
        yield f"Trial {found.trial}: {clean(found.why)}."


def _verdict(arm: Arm, criteria: Sequence[Criterion]) -> str:
    """The result in a sentence, with what it rests on or what is missing."""
    if not arm.counted:
        return "No trial counts, so nothing is known about it."
    after = f"after {counted(arm.counted, 'trial')}"
    lives = "life" if arm.success.n == 1 else "lives"
    ready = f"{arm.success.k} of {arm.success.n} {lives} became ready"
    loops = f"{arm.loops.k} of {counted(arm.loops.n, 'trial')} had a restart loop"
    if arm.result is Met.NOT_ENOUGH_TRIALS:
        return f"It is undecided {after}: {ready}. {_takes(arm, criteria)}"
    if not arm.has_remedy and arm.reproduced is Met.MET and arm.result is Met.NOT_MET:
        return f"Without a remedy the outage happens: {ready}, and {loops}."
    says = "It meets every criterion" if arm.result is Met.MET else "It is rejected"
    return f"{says} {after}: {ready}, and {loops}."


def _takes(arm: Arm, criteria: Sequence[Criterion]) -> str:
    """How many trials it would take, for each criterion that is not decided."""
    by_number: dict[int | None, list[str]] = {}
    for criterion, each in zip(criteria, arm.criteria, strict=True):
        if each.result is Met.NOT_ENOUGH_TRIALS:
            by_number.setdefault(each.trials_needed, []).append(str(criterion))
    parts = [
        f"{listed(names)} would take {counted(number, 'trial')}"
        for number, names in by_number.items()
        if number is not None
    ]
    if None in by_number:
        parts.append(f"no number of trials would decide {listed(by_number[None])}")
    return f"At these rates, {'; '.join(parts)}."


def _do_not_count(trials: int) -> str:
    return f"{counted(trials, 'trial')} {'does' if trials == 1 else 'do'} not count"


def _name(arm: Arm, comparison: Comparison) -> str:
    """The remedy, and its connector where there are several."""
    several = len({each.connector for each in comparison.arms}) > 1
    behind = f" behind {clean(arm.connector, MAX_NAME)}" if several else ""
    return f"{clean(arm.remedy, MAX_NAME)}{behind}"


def _seconds(value: float) -> str:
    """`0.7`, `12`: one decimal for less than 10."""
    return f"{value:.1f}" if 0 < value < 9.95 else f"{value:.0f}"  # noqa: PLR2004
