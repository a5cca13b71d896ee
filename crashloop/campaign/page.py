"""What a comparison would run, before anything starts. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop.campaign.plan import HEAL
from crashloop.durations import about, plain
from crashloop.plural import counted, listed
from crashloop.remedies import NONE, says
from crashloop.report.clean import clean
from crashloop.report.lines import BLANK, Line, Span, Tone, line, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from crashloop.campaign.looks import Look
    from crashloop.campaign.plan import Campaign
    from crashloop.model.comparison import Criterion

NAME = 24
INDENT = "    "
OVERHEAD_S = 3.0


def plan_page(
    campaign: Campaign,
    criteria: Sequence[Criterion],
    looks: Sequence[Look],
    *,
    left_out: Mapping[str, str],
    at_once: int,
    width: int,
) -> Iterator[Line]:
    """The arms, what decides them, and how long the first look takes at least."""
    room = max(width - NAME - 3, 0)
    for arm in campaign.arms:
        told = "no remedy" if arm.remedy == NONE else says(arm.remedy, campaign.scenario(arm).app)
        yield line(f"  {clean(arm.name, 60):{NAME}} ", Span(clean(told, room), Tone.DIM))
    yield from left_out_lines(left_out, width=width, indent="  ")
    yield BLANK
    first = campaign.arms[0]
    scenario = campaign.scenario(first)
    where = f"{counted(scenario.replicas.count, 'replica')} on {scenario.platform.name}"
    after = listed([str(each.trials) for each in looks])
    for words in (
        f"{campaign.incident.name}: {where}{heals(campaign)}",
        f"criteria: {listed([str(each) for each in criteria])}",
        f"looks after {after} trials that count; seed {campaign.seed}",
    ):
        yield from paragraph(words, width=width, indent="", hanging=INDENT)
    trial_s = longest_s(campaign)
    least_s = len(campaign.arms) * looks[0].trials * trial_s / at_once
    yield BLANK
    yield line(
        Span(counted(len(campaign.arms), "arm"), Tone.HEAD),
        f", {about(least_s)} until each has had {counted(looks[0].trials, 'trial')} if none ends "
        "before the heal; nothing was started",
    )


def left_out_lines(left_out: Mapping[str, str], *, width: int, indent: str) -> Iterator[Line]:
    """The remedies that do not fit, each with the reason."""
    for name, why in left_out.items():
        words = f"left out: {name}: {why}"
        yield from paragraph(words, width=width, indent=indent, hanging=INDENT, tone=Tone.DIM)


def plan_document(
    campaign: Campaign,
    criteria: Sequence[Criterion],
    looks: Sequence[Look],
    *,
    left_out: Mapping[str, str],
) -> dict[str, Any]:
    """The plan as a JSON object."""
    return {
        "incident": campaign.incident.name,
        "platform": campaign.platform,
        "seed": campaign.seed,
        "criteria": [str(each) for each in criteria],
        "looks": [each.trials for each in looks],
        "arms": [
            {"remedy": each.remedy, "connector": each.connector, "time_scale": each.scale}
            for each in campaign.arms
        ],
        "left_out": dict(left_out),
    }


def heals(campaign: Campaign) -> str:
    """When the outage ends, in words; "" if a trial does not draw it."""
    if HEAL not in campaign.incident.parameters:
        return ""
    ranges = sorted(set(campaign.heal_s.values()))
    times = [
        f"{plain(low)} s" if low == high else f"{plain(low)} to {plain(high)} s"
        for low, high in ranges
    ]
    return f"; the outage ends after {listed(times)}"


def longest_s(campaign: Campaign) -> float:
    """Wall seconds of a trial that lasts until the middle of the heal's range."""
    ranges = campaign.heal_s.values()
    heal_s = sum(low_s + high_s for low_s, high_s in ranges) / 2 / len(ranges)
    return heal_s / campaign.arms[0].scale + OVERHEAD_S
