"""However logs are disturbed, the answer is the cause or unknown, never another one."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from disturbed_logs import DISTURBANCES, diagnosis_of_lines
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from random import Random

LOGS = Path(__file__).parents[2] / "fixtures" / "logs"
FILES = sorted([*(LOGS / "recorded" / "causes").iterdir(), *(LOGS / "made").glob("*.log")])
EXPECTED = tomllib.loads((LOGS / "made" / "expected.toml").read_text())
DAMAGED = {**EXPECTED["damaged"], **EXPECTED["known_faults"]}
RANDOM = st.randoms(use_true_random=True)


def answer(lines: list[str]) -> str:
    found = diagnosis_of_lines(lines)
    return "unknown" if found.unknown else found.causes[0].cause.id


def disturb_and_ask(file: Path, random: Random) -> None:
    lines = file.read_text().split("\n")
    for disturbance in random.sample(DISTURBANCES, random.choice((1, 2))):
        lines = disturbance(lines, random)
    name = file.name.split(".", 1)[0]
    assert answer(lines) in {name, "unknown", *DAMAGED.get(name, DAMAGED.get(file.stem, []))}


@given(st.sampled_from(FILES), RANDOM)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_disturbed_log_never_shows_another_cause(file: Path, random: Random) -> None:
    disturb_and_ask(file, random)


@pytest.mark.slow
@given(st.sampled_from(FILES), RANDOM)
@settings(max_examples=1000, deadline=None, derandomize=True)
def test_a_disturbed_log_never_shows_another_cause_in_thousands(file: Path, random: Random) -> None:
    disturb_and_ask(file, random)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_log_of_which_each_line_came_twice_shows_the_same_cause(file: Path) -> None:
    lines = [line for line in file.read_text().split("\n") for _ in range(2)]
    assert answer(lines) == file.name.split(".", 1)[0]
