"""The catalogue of faults: what each looks like, and what tells neighbours apart."""

from __future__ import annotations

from dataclasses import replace

import pytest
from faults_alone import ALONE, NEIGHBOURS

from app_under_test.database import SCHEMA_LOCK_KEY
from crashloop.apps import sample_app
from crashloop.checks import CHECKS
from crashloop.commands.faults import show_faults
from crashloop.errors import UsageError
from crashloop.faults import KINDS
from crashloop.incidents import incident
from crashloop.model import Role


@pytest.mark.parametrize(("kind", "other"), NEIGHBOURS)
def test_neighbours_are_told_apart_in_both_directions(kind: str, other: str) -> None:
    assert kind in ALONE[other].told_by


@pytest.mark.parametrize("kind", ALONE)
def test_what_tells_a_neighbour_apart_is_a_part_of_what_the_fault_shows(kind: str) -> None:
    alone = ALONE[kind]
    assert alone.told_by
    assert set(alone.told_by.values()) <= {one.check for one in alone.shows} <= set(CHECKS)


@pytest.mark.parametrize("kind", ALONE)
def test_a_fault_alone_is_a_scenario_of_the_sample_app(kind: str) -> None:
    (fault,) = incident(f"fault:{kind}").scenario().faults
    assert fault.kind == kind


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("fault:hol", "did you mean hold"),
        ("fault:hold:dely_s=3", "did you mean delay_s"),
        ("fault:hold:delay_s", "'delay_s' of the fault hold is not NAME=VALUE"),
        ("fault:hold:delay_s=1,delay_s=2", "each parameter once"),
        ("fault:hold:delay_s=soon", "delay_s is seconds, 0 to 3600"),
        ("fault:hold:delay_s=-1", "delay_s is seconds, 0 to 3600"),
        ("fault:hold:delay_s=nan", "delay_s is seconds, 0 to 3600"),
    ],
)
def test_a_name_that_cannot_be_read_says_what_is_wrong_with_it(name: str, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        incident(name)
    assert says in f"{raised.value.message} {raised.value.hint}"


def test_the_advisory_lock_is_the_one_that_the_sample_app_takes() -> None:
    assert ALONE["lock_held"].params == {"advisory": SCHEMA_LOCK_KEY}


def test_a_parameter_of_the_user_replaces_those_that_the_fault_can_go_without() -> None:
    (fault,) = incident("fault:lock_held:table=messages,create=true").scenario().faults
    assert fault.params == {"table": "messages", "create": True}


def test_a_fault_has_no_remedy_of_its_own() -> None:
    with pytest.raises(UsageError, match="no remedy"):
        incident("fault:hold").scenario(Role.REMEDY)


@pytest.mark.parametrize("kind", [kind for kind, alone in ALONE.items() if not alone.comes])
def test_no_app_has_to_come_to_its_dependency_where_the_fault_keeps_it_from_that(kind: str) -> None:
    own = replace(sample_app(), name="shop")
    for app in (None, own):
        signature = incident(f"fault:{kind}").scenario(Role.REPRODUCTION, app).signature
        assert "path_used" not in {spec.check for spec in signature.require}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("as_json", [True, False])
def test_every_fault_can_be_described(
    kind: str, as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    show_faults(kind, as_json=as_json)
    assert kind in capsys.readouterr().out
