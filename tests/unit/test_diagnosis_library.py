"""Each incident of the library is a cause that logs can show, those of our own runs, too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from disturbed_logs import DISTURBANCES, beside_a_healthy_service, diagnosis_of_lines
from hypothesis import given, settings
from hypothesis import strategies as st
from run_logs.expected import DAMAGED, expected, incident_of

from crashloop.commands.diagnose import diagnosis_of, every_cause
from crashloop.incidents import library

if TYPE_CHECKING:
    from random import Random

RUNS = sorted((Path(__file__).parents[2] / "fixtures" / "logs" / "recorded" / "runs").iterdir())


def test_every_incident_is_a_cause_that_a_diagnosis_can_name() -> None:
    causes = {cause.id: cause for cause in every_cause()}
    for name in library().incidents:
        assert causes[name].reproduce == f"crashloop reproduce {name}"
        assert causes[name].in_logs.decides


def test_every_incident_has_logs_of_a_run() -> None:
    assert {incident_of(file) for file in RUNS} == set(library().incidents)


@pytest.mark.parametrize("file", RUNS, ids=lambda file: file.name)
def test_the_logs_of_a_run_show_its_incident_or_are_unknown(file: Path) -> None:
    found = diagnosis_of([str(file)], None)
    named = "unknown" if found.unknown else found.causes[0].cause.id
    assert named == expected(file), [each.cause.id for each in found.causes]
    assert not found.unknown or found.decides


def test_nine_in_ten_logs_with_their_platform_show_their_incident() -> None:
    whole = [file for file in RUNS if not file.name.endswith(".app.log")]
    right = [file for file in whole if expected(file) == incident_of(file)]
    assert 10 * len(right) >= 9 * len(whole)


def disturb_and_ask(file: Path, random: Random) -> None:
    lines = file.read_text().split("\n")
    # What is put into a pod's own log is that pod's.
    of_one_pod = (beside_a_healthy_service,) if file.suffix == ".txt" else ()
    disturbances = [each for each in DISTURBANCES if each not in of_one_pod]
    for disturbance in random.sample(disturbances, random.choice((1, 2))):
        lines = disturbance(lines, random)
    found = diagnosis_of_lines(lines)
    named = "unknown" if found.unknown else found.causes[0].cause.id
    incident = incident_of(file)
    assert named in {expected(file), incident, DAMAGED.get(incident), "unknown"}, file.name


@given(st.sampled_from(RUNS), st.randoms(use_true_random=True))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_the_disturbed_logs_of_a_run_never_show_another_cause(file: Path, random: Random) -> None:
    disturb_and_ask(file, random)


@pytest.mark.slow
@given(st.sampled_from(RUNS), st.randoms(use_true_random=True))
@settings(max_examples=600, deadline=None, derandomize=True)
def test_the_disturbed_logs_of_a_run_never_show_another_cause_in_thousands(
    file: Path, random: Random
) -> None:
    disturb_and_ask(file, random)
