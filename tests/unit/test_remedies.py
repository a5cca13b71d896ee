"""Remedies by name: what each changes, and which can be combined."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crashloop.apps import sample_app
from crashloop.errors import UsageError
from crashloop.incidents import INCIDENTS, incident
from crashloop.model import UNTIL_THE_END, AppUnderTest, Moment, Outage, OwnRemedy, Role
from crashloop.profiles.profile import SCALING
from crashloop.remedies import Remedied, known, remedied, says

ISSUE = incident("issue-1278")
RETRY = OwnRemedy(says="try again", knobs={"retry_s": 200.0})
PATIENT = OwnRemedy(env={"RETRY_S": "9"})


@pytest.fixture
def before() -> Remedied:
    values = {name: one.default for name, one in ISSUE.parameters.items()}
    app = replace(sample_app(), remedies={"retry": RETRY, "patient": PATIENT})
    return Remedied(ISSUE.outage(values | {"platform": "kubernetes"}), app)


def test_a_limit_is_set_in_seconds_and_a_connection_may_take_as_long(before: Remedied) -> None:
    knobs = remedied("limit=120", before).outage.knobs
    assert (knobs["limit_s"], knobs["connect_timeout_s"]) == (120.0, 240.0)


def test_a_shorter_limit_leaves_the_time_of_a_connection(before: Remedied) -> None:
    knobs = remedied("limit=8", before).outage.knobs
    assert (knobs["limit_s"], knobs["connect_timeout_s"]) == (8.0, 60.0)


def test_a_pre_scaled_connector_does_not_scale(before: Remedied) -> None:
    assert [fault.name for fault in before.outage.faults] == [SCALING]
    assert remedied("pre-scaled-connector", before).outage.faults == ()


def test_the_egress_flag_takes_nothing_from_a_path_that_is_right(before: Remedied) -> None:
    assert remedied("egress-flag", before) == before


def test_the_egress_flag_takes_away_a_path_that_leads_nowhere(before: Remedied) -> None:
    (fault,) = before.outage.faults
    nowhere = replace(fault, name="misrouted-path")
    both = before._replace(outage=replace(before.outage, faults=(nowhere, fault)))
    assert remedied("egress-flag", both).outage.faults == (fault,)


def test_a_patient_liveness_probe_waits_300_s_and_changes_nothing_else(before: Remedied) -> None:
    after = remedied("patient-liveness", before)
    probe = after.outage.platform.liveness
    assert probe is not None
    assert probe.failures * probe.period_s == 300.0
    assert after.outage == replace(
        before.outage, platform=replace(before.outage.platform, liveness=probe)
    )


def test_a_remedy_of_the_app_turns_its_knobs(before: Remedied) -> None:
    assert remedied("retry", before).outage.knobs["retry_s"] == 200.0
    assert says("retry", before.app) == "try again"


def test_remedies_are_combined(before: Remedied) -> None:
    after = remedied("retry+limit=60+patient", before)
    assert (after.outage.knobs["retry_s"], after.outage.knobs["limit_s"]) == (200.0, 60.0)
    assert after.app.env["RETRY_S"] == "9"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("limit=60+limit=25", "limit=60 and limit=25 cannot be combined: both change the knob"),
        ("retri", "no remedy 'retri' for app sample"),
        ("retry+", "no remedy '' for app sample"),
        ("retry=3", "unknown remedy|no remedy 'retry=3'"),
        ("limit", "unknown remedy 'limit'"),
        ("limit=", "unknown remedy 'limit='"),
        ("limit=0", "limit=0 is no time limit"),
        ("limit=nan", "limit=nan is no time limit"),
        ("limit=soon", "limit=soon is no time limit"),
        ("egress-flag=1", "unknown remedy 'egress-flag=1'"),
    ],
)
def test_a_remedy_that_cannot_be_is_refused(before: Remedied, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        remedied(text, before)


def test_a_platform_without_probes_has_no_patient_liveness(before: Remedied) -> None:
    docker = ISSUE.scenario().platform
    without = before._replace(outage=replace(before.outage, platform=docker))
    with pytest.raises(UsageError, match="docker has no probes"):
        remedied("patient-liveness", without)


def test_only_an_outage_with_a_connector_can_have_it_scaled_before() -> None:
    with pytest.raises(UsageError, match="no connector profile that scales"):
        incident("cache-still-loading").scenario(Role.REMEDY, remedy="pre-scaled-connector")


def test_every_known_remedy_says_what_it_does() -> None:
    app: AppUnderTest = sample_app()
    assert all(says(form, app) for form in known(app))


@pytest.mark.parametrize("name", INCIDENTS)
def test_a_scheduled_outage_heals_at_its_time_whatever_the_app_does(name: str) -> None:
    scenario = incident(name).scenario(heal_s=270)
    for fault in scenario.faults:
        (moment,) = fault.heal.first_of
        assert str(moment).startswith("270 s after baseline.passed")
        assert isinstance(moment, Moment)
        assert moment.through_restarts
    assert scenario.deadline_s >= 600.0


def test_a_fault_of_each_life_or_of_the_whole_run_keeps_its_own_heal(before: Remedied) -> None:
    (fault,) = before.outage.faults
    others = (replace(fault, each_life=True), replace(fault, heal=UNTIL_THE_END))
    outage: Outage = replace(before.outage, faults=(fault, *others))
    assert outage.healed_at(270.0).faults[1:] == others
