"""How often a comparison decides wrongly, by how alike the lives of one trial are."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from comparisons import served

from crashloop.campaign.criterion import parse
from crashloop.campaign.decision import decide_so_far
from crashloop.campaign.looks import LOOKS
from crashloop.campaign.tally import Tally
from crashloop.model.comparison import Met

COMPARISONS = 1000
ALIKE = (0.0, 0.4, 0.8, 1.0)


@pytest.mark.benchmark
@pytest.mark.timeout(600)
@pytest.mark.parametrize("criterion", ["success>0.95", "success>0.80"])
@pytest.mark.parametrize("replicas", [1, 2, 10])
def test_wrong_decisions_about_an_arm_whose_true_rate_is_the_criterions(
    criterion: str, replicas: int
) -> None:
    asked = parse(criterion)
    for alike in ALIKE:
        rng, found = random.Random(1278), []  # noqa: S311  a simulation
        for _ in range(COMPARISONS):
            ready = [_ready(rng, asked.value, alike, replicas) for _ in range(LOOKS[-1].trials)]
            trials = (replace(served(), lives_ready=k, lives_started=replicas) for k in ready)
            found.append(decide_so_far(Tally(trials=tuple(trials)), [asked], LOOKS).result)
        met, not_met = (found.count(each) / COMPARISONS for each in (Met.MET, Met.NOT_MET))
        print(f"{criterion}, {replicas} replicas, alike {alike}: {met:.1%} met, {not_met:.1%} not")


def _ready(rng: random.Random, rate: float, alike: float, replicas: int) -> int:
    """How many lives of a trial are ready; `alike` is the correlation between any two of them."""
    common = rng.random() < rate
    share = alike**0.5
    return sum(common if rng.random() < share else rng.random() < rate for _ in range(replicas))
