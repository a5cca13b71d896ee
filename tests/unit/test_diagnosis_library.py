"""Each incident of the library is a cause that logs can show, those of our own runs, too."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_logs.expected import expected, incident_of

from crashloop.commands.diagnose import diagnosis_of, every_cause
from crashloop.incidents import library

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
