"""Mistakes in an incident's file that are refused when it is loaded, each by one message."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from incident_files import EXAMPLE, NAME, changed, written

from crashloop.checks import CHECKS
from crashloop.errors import UsageError
from crashloop.incidents import ELSEWHERE, INCIDENTS, incident
from crashloop.incidents.named import EVENTS, FIELDS, NEAR_EVENT, require_meant
from crashloop.incidents.soundness import require_sound

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _none_stay_known() -> Iterator[None]:
    yield
    ELSEWHERE.use(None)


def refused(folder: Path, text: str) -> str:
    """The one message about a file with this text, beside a good one; "" if it is used."""
    ELSEWHERE.use(written(folder, a=EXAMPLE, b=text))
    assert incident(NAME)
    messages = [f"{each.why}\n{each.hint}" for each in ELSEWHERE.in_folder.left_out]
    assert len(messages) <= 1
    return "".join(messages)


def test_every_incident_of_the_library_is_sound() -> None:
    assert [require_sound(one) for one in INCIDENTS.values()] == [*INCIDENTS.values()]


def named(text: str) -> str:
    """The text of another incident than the example's."""
    return text.replace(f'"{NAME}"', '"other"')


KNOBS = {
    "of the remedy": ('{"cache_critical": False}', '{"cache_criticall": False}', "cache_critical"),
    "of the outage": ('"cache_limit_s"', '"cache_limits_s"', "cache_limit_s"),
}


@pytest.mark.parametrize(("right", "wrong", "meant"), KNOBS.values(), ids=KNOBS)
def test_a_knob_that_would_change_nothing_is_refused(
    tmp_path: Path, right: str, wrong: str, meant: str
) -> None:
    message = refused(tmp_path, named(EXAMPLE.replace(right, wrong)))

    assert "no knob of the sample app" in message
    assert f"did you mean {meant}?" in message


def test_a_misspelt_knob_of_a_second_remedy_is_refused_before_anything_starts(
    tmp_path: Path,
) -> None:
    others = "(Remedy(name='retry', says='again', knobs={'retry_z': 15.0}),)"
    ELSEWHERE.use(written(tmp_path, start_needs_the_cache=changed(others=others)))

    with pytest.raises(
        UsageError, match=r"start_needs_the_cache\.py: the remedy 'retry' of .*'retry_z'"
    ):
        incident(NAME)


SLIPS = {
    "an event": ('on="baseline.passed"', 'on="baseline.pased"', "mean baseline.passed?"),
    "half an event": ('on="baseline.passed"', 'on="passed"', "which is no event"),
    "a field": ('where={"phase": PHASE}', 'where={"phaze": PHASE}', "mean phase?"),
    "a phase": ('PHASE = "cache"', 'PHASE = "cahce"', "mean cache?"),
    "a target": ('"target": TARGET}', '"target": "rediss"}', "mean redis?"),
    "a check": ('"fails_at_once", p', '"fail_at_once", p', "mean fails_at_once?"),
    "a parameter": ('"errors": errors', '"error": errors', "mean errors?"),
    "a target of a check": ('"target": TARGET, "phase"', '"target": "reddis", "phase"', "redis?"),
}


@pytest.mark.parametrize(("right", "wrong", "meant"), SLIPS.values(), ids=SLIPS)
def test_a_slip_in_a_name_is_refused_with_the_name_that_was_meant(
    tmp_path: Path, right: str, wrong: str, meant: str
) -> None:
    assert right in EXAMPLE
    assert meant in refused(tmp_path, named(EXAMPLE.replace(right, wrong)))


WRONG = {
    "one text for several": ('"errors": errors', '"errors": "ConnectionError"', "several texts"),
    "a parameter left out": (', "way": "refused"', "", "connection_was without 'way'"),
    "a share of a death": ('"times": DEATHS, "e', '"times": 2.5, "e', "times is a whole number"),
    "fewer than none": ('{"restarts": DEATHS}', '{"restarts": -1}', "whole number, 0 or more"),
    "no time": ("HEALED_AT_LATEST_S =", "HEALED_AT_LATEST_S = float('nan')  #", "then for nan s"),
    "a text for a number": ('where={"phase": PHASE}', 'where={"attempt": "3"}', "attempt is 1 on"),
    "no such replica": ('where={"phase": PHASE}', 'where={"replica": 2}', "replica is 1 to 1"),
    "no flag": ('where={"phase": PHASE}', 'where={"ready": "yes"}', "ready is True or False"),
    "a check that is none of its own": ('by="last_phase"', 'by="last_phases"', "mean last_phase?"),
    "less than no grace": (
        'platform=parse_platform(str(params["platform"]))',
        "platform=replace(parse_platform('docker'), grace_s=-1.0)",
        "docker has a grace period of -1 s",
    ),
    "half a replica": (
        "deadline_s=300.0",
        "deadline_s=300.0, replicas=Replicas(count=1.5)",
        "1.5 replicas",
    ),
    "a target of nobody": (
        "target=TARGET,\n        dep",
        'target="mysql",\n        dep',
        "'mysql'",
    ),
    "no end": ("deadline_s=300.0", "deadline_s=float('inf')", "its deadline_s is inf"),
    "before the start": ("deadline_s=300.0", "deadline_s=-1.0", "its deadline_s is -1"),
    "a knob of no number": ('critical": False', 'critical": "no"', "is true or false, not 'no'"),
    "nothing done": ("faults=(fault,)", "faults=()", "it has no fault"),
    "a fault without a name": ('name="cache-away"', 'name=""', "its faults are called ''"),
}


@pytest.mark.parametrize(("right", "wrong", "says"), WRONG.values(), ids=WRONG)
def test_a_value_that_means_nothing_is_refused(
    tmp_path: Path, right: str, wrong: str, says: str
) -> None:
    assert right in EXAMPLE
    imports = "from dataclasses import replace\nfrom crashloop.model import Replicas\n"
    text = EXAMPLE.replace("\nfrom typing", f"\n{imports}from typing", 1)
    assert says in refused(tmp_path, named(text.replace(right, wrong)))


RECORDS = {
    "an empty fact": ({"facts": "('it failed', ' ')"}, "its facts has an empty text"),
    "an empty advice": ({"remedy": "Remedy(name='a', says='')"}, "its remedy has an empty text"),
    "two of one name": (
        {"others": "(INCIDENT.remedy,)"},
        "its remedies are called 'optional cache'",
    ),
    "no reason": ({"overlaps": "{'fault:hold': ''}"}, "its overlaps has an empty text"),
    "no such fault": ({"overlaps": "{'fault:hol': 'why'}"}, "did you mean fault:hold?"),
    "a scale without end": ({"time_scale": "float('inf')"}, "time scale inf is outside 1 to"),
    "a limit without end": (
        {"parameters": "{**INCIDENT.parameters, 'n': Parameter(default=1, says='n', high=1e999)}"},
        "its parameter n goes from 0 to inf",
    ),
    "a comparison of nothing": (
        {"compared": "Compared(params={'limits': 1.0})"},
        "has no parameter 'limits'",
    ),
    "a comparison before the start": (
        {"compared": "Compared(heal_s=(-1.0, 1.0))"},
        "healed between -1 and 1 s",
    ),
}


@pytest.mark.parametrize(("values", "says"), RECORDS.values(), ids=RECORDS)
def test_a_record_with_an_empty_text_or_an_impossible_number_is_refused(
    tmp_path: Path, values: dict[str, str], says: str
) -> None:
    imports = (
        "from crashloop.incidents.compared import Compared\n"
        "from crashloop.incidents.parameter import Parameter\n"
    )
    text = changed(name="'other'", **values).replace(
        "from crashloop.m", f"{imports}from crashloop.m"
    )
    assert says in refused(tmp_path, text)


def test_a_trigger_can_wait_for_every_event_that_is_emitted() -> None:
    emitted = re.compile(r"""["']([a-z]+\.[a-z_]+)["']""")
    root = Path(__file__).parents[2]
    kinds = {
        kind
        for folder in ("crashloop", "app_under_test")
        for file in (root / folder).rglob("*.py")
        for kind in emitted.findall(file.read_text())
    }
    assert set(EVENTS) < kinds
    for kind in kinds:
        require_meant("it waits for", kind, EVENTS, near=NEAR_EVENT)


def test_the_events_and_fields_are_those_of_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "incidents.md").read_text()
    table = page.partition("| event | fields | when |\n|---|---|---|\n")[2].partition("\n\n")[0]
    rows = [row.split("|") for row in table.splitlines()]
    assert {kind for row in rows for kind in re.findall(r"[a-z]+\.[a-z]+", row[1])} == {*EVENTS}
    assert {field for row in rows for field in re.findall(r"[a-z_]+", row[2])} <= {*FIELDS}


def test_the_checks_of_the_documentation_take_the_parameters_that_it_names() -> None:
    page = (Path(__file__).parents[2] / "docs" / "incidents.md").read_text()
    table = page.partition("| check | parameters | it holds if |\n|---|---|---|\n")[2]
    rows = [row.split("|") for row in table.partition("\n\n")[0].splitlines()]
    assert len(rows) > 30
    for _, name, parameters, *_ in rows:
        takes = {*inspect.signature(CHECKS[name.strip(" `")]).parameters} - {"trace", "by_answers"}
        assert {*re.findall(r"\w+", parameters)} == takes, name
