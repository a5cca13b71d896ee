"""Each incident of the library is a cause that logs can show."""

from __future__ import annotations

from crashloop.commands.diagnose import every_cause
from crashloop.incidents import library


def test_every_incident_is_a_cause_that_a_diagnosis_can_name() -> None:
    causes = {cause.id: cause for cause in every_cause()}
    for name in library().incidents:
        assert causes[name].reproduce == f"crashloop reproduce {name}"
        assert causes[name].in_logs.decides


def test_no_two_causes_have_one_name() -> None:
    names = [cause.id for cause in every_cause()]
    assert len(names) == len(set(names))
