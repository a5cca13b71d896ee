"""What a remedy may change of an incident, and incidents in which no life comes to its database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crashloop.apps import sample_app
from crashloop.errors import UsageError
from crashloop.incidents import incident
from crashloop.incidents.remedy import Remedy, remedied_run
from crashloop.model import UNTIL_THE_END, OwnRemedy, Role, Scenario

ISSUE = incident("issue-1278")
CHANGED = (
    "env-file-comment-became-the-value",
    "image-older-than-the-schema",
    "oom-killed-while-starting",
    "listens-on-another-port-than-probed",
)
"""With the remedy, the fault is there and harms nobody."""


def requires_the_path(scenario: Scenario) -> bool:
    return "path_used" in {spec.check for spec in scenario.signature.require}


def test_a_remedy_can_change_the_fault_in_its_own_run_alone() -> None:
    remedy = Remedy(name="any", says="any", fault=lambda each: replace(each, heal=UNTIL_THE_END))
    found = replace(ISSUE, remedy=remedy)
    for role in (Role.REPRODUCTION, Role.UNPLUGGED):
        assert found.scenario(role).faults == ISSUE.scenario(role).faults
    (before,), (after,) = ISSUE.scenario().faults, found.scenario(Role.REMEDY).faults
    assert after == replace(before, heal=UNTIL_THE_END)


def test_an_app_that_dies_before_it_connects_need_not_come_to_its_database() -> None:
    found = replace(
        ISSUE, outage=lambda params: replace(ISSUE.outage(params), phase="init", comes=False)
    )
    assert not any(requires_the_path(found.scenario(role)) for role in Role)
    healthy = found.healthy(found.scenario(Role.CONTROL))
    (path,) = [spec for spec in healthy.require if spec.check == "path_used"]
    assert path.params == {"phase": "", "target": "postgres"}


def test_any_other_app_must_come_to_its_database_in_its_phase() -> None:
    assert all(requires_the_path(ISSUE.scenario(role)) for role in Role)


def test_a_writable_folder_leaves_the_other_one_read_only() -> None:
    found = incident("read-only-file-system")
    (before,), (after,) = found.scenario().faults, found.scenario(Role.REMEDY).faults
    assert before == after
    knobs = [found.scenario(role).app.knobs["scratch_folder"] for role in Role]
    assert len({*knobs}) == 2


@pytest.mark.parametrize("name", CHANGED)
def test_the_run_with_the_remedy_needs_a_receipt_that_no_failure_gives(name: str) -> None:
    found = incident(name)
    (before,), (after,) = found.scenario().faults, found.scenario(Role.REMEDY).faults
    assert (after.name, after.kind, after.target) == (before.name, before.kind, before.target)
    assert (after.inject, after.heal) == (before.inject, UNTIL_THE_END)
    assert after.receipt.grade == before.receipt.grade
    assert after.receipt != before.receipt


def test_the_app_logs_in_under_the_name_that_the_server_has() -> None:
    remedied = incident("env-file-comment-became-the-value").scenario(Role.REMEDY)
    (fault,) = remedied.faults
    assert remedied.app.knobs["database_user"] == fault.params["other_name"]


def test_the_newer_image_asks_for_the_column_by_the_name_that_it_now_has() -> None:
    remedied = incident("image-older-than-the-schema").scenario(Role.REMEDY)
    (fault,) = remedied.faults
    assert remedied.app.knobs["text_column"] == f"{fault.params['column']}_of_a_newer_image"


def test_the_larger_limit_is_seen_to_be_needed() -> None:
    (fault,) = incident("oom-killed-while-starting").scenario(Role.REMEDY).faults
    assert fault.params == {"limit_mib": 1536.0, "old_limit_mib": 512.0}


def test_an_incidents_own_first_remedy_can_be_named() -> None:
    named = ISSUE.scenario(Role.REMEDY, remedy=ISSUE.remedy.name)
    assert named == ISSUE.scenario(Role.REMEDY)
    assert named.remedy == "degraded start"


@pytest.mark.parametrize("name", ["degraded start", "admission", "jitter"])
def test_a_remedy_that_is_named_is_not_replaced_by_one_of_the_apps_own(name: str) -> None:
    own = replace(sample_app(), knobs={}, remedies={"mine": OwnRemedy(env={"A": "1"})})
    found = ISSUE if name == ISSUE.remedy.name else incident("restart-herd")
    before = found.outage(found.defaults)
    remedies = (found.remedy, *found.others)

    assert remedied_run(found.name, remedies, before, own, "")[-1] == "mine"
    with pytest.raises(UsageError, match=f"{name!r} of {found.name} cannot be tried: app"):
        remedied_run(found.name, remedies, before, own, name)


@pytest.mark.parametrize(("name", "meant"), [("jiter", "jitter"), ("retry-jiter", "retry-jitter")])
def test_a_slip_in_the_name_of_a_remedy_is_answered_with_the_one_that_was_meant(
    name: str, meant: str
) -> None:
    with pytest.raises(UsageError, match=f"no remedy '{name}'") as caught:
        incident("restart-herd").scenario(Role.REMEDY, remedy=name)
    assert caught.value.hint.startswith(f"did you mean {meant}?")
