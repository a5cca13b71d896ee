"""What runs add up to: whether each is as required, the worst status, and the baseline."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from crashloop.errors import UsageError
from crashloop.model import Outcome
from crashloop.survey.baseline import (
    SCHEMA,
    Accepted,
    baseline_text,
    compared,
    is_better,
    read_baseline,
)
from crashloop.survey.plan import Planned
from crashloop.survey.result import Met, Result, exit_status, not_applicable, result_of

RUN = Planned(incident="issue-1278", title="it hangs", params={"limit_s": "8"})
KEYS = (
    *("incident", "params", "applies", "why", "outcome", "verdict", "deaths", "exit_codes"),
    *("recovered_after_s", "port_before_ready", "flags", "advice", "evidence", "not_asked"),
    "trace",
)


def result(
    outcome: str | None = "RECOVERED", *, require: Outcome = Outcome.RECOVERED, **answer: Any
) -> Result:
    found = {"outcome": outcome, "verdict": "REPRODUCED", "exit_status": 0, "why": "so"} | answer
    return result_of(RUN, found, require=require, took_s=1.0)


@pytest.mark.parametrize(
    ("outcome", "require", "met"),
    [
        ("SURVIVED", Outcome.SURVIVED, Met.MET),
        ("RECOVERED", Outcome.SURVIVED, Met.NOT_MET),
        ("RECOVERED", Outcome.RECOVERED, Met.MET),
        ("NOT_RECOVERED", Outcome.RECOVERED, Met.NOT_MET),
        ("INCONCLUSIVE", Outcome.RECOVERED, Met.INCONCLUSIVE),
        ("NEVER_STARTED", Outcome.RECOVERED, Met.NEVER_STARTED),
    ],
)
def test_an_outcome_is_as_required_or_not(outcome: str, require: Outcome, met: Met) -> None:
    assert result(outcome, require=require).met is met


def test_a_broken_harness_is_no_outcome_whatever_the_run_shows() -> None:
    assert result("SURVIVED", verdict="HARNESS_ERROR").met is Met.HARNESS


def test_a_refused_run_does_not_apply_and_its_reason_is_kept() -> None:
    refused = {"error": "no kernel", "hint": "", "exit_status": 11}
    found = result_of(RUN, refused, require=Outcome.RECOVERED, took_s=0.1)
    assert (found.met, found.why) == (Met.DOES_NOT_APPLY, "no kernel")
    assert found.to_json()["applies"] is False
    died = result_of(
        RUN, {"error": "it broke", "exit_status": 1}, require=Outcome.RECOVERED, took_s=1
    )
    assert died.met is Met.HARNESS


@pytest.mark.parametrize("found", [result(), not_applicable(replace(RUN, why="no redis"))])
def test_every_result_has_the_keys_that_are_documented_and_they_are_json(found: Result) -> None:
    assert tuple(found.to_json())[: len(KEYS)] == KEYS
    json.dumps(found.to_json())


def test_text_of_the_app_is_made_harmless() -> None:
    found = result(why="\x1b[31mred", last_lines=["\x1b]0;title\x07x"], flags={"data_lost": "a\nb"})
    assert (found.why, found.lines, found.flags) == ("red", ("x",), {"data_lost": "a b"})


MET, NOT_MET, UNCLEAR = result(), result("NOT_RECOVERED"), result("INCONCLUSIVE")
BROKEN, NEVER = result(verdict="HARNESS_ERROR"), result("NEVER_STARTED")
NOT_FOR_IT = not_applicable(replace(RUN, why="no redis"))


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([MET, NOT_FOR_IT], 0),
        ([MET, UNCLEAR], 11),
        ([UNCLEAR, NOT_MET, MET], 10),
        ([NOT_MET, BROKEN], 12),
        ([BROKEN, NEVER], 13),
        ([NOT_FOR_IT], 11),
        ([], 11),
    ],
)
def test_the_worst_result_is_the_exit_status(results: list[Result], status: int) -> None:
    assert exit_status(results) == status


def accepted(outcome: Outcome, *flags: str) -> dict[str, Accepted]:
    return {"issue-1278": Accepted(outcome=outcome, flags=flags)}


def test_a_failure_that_the_baseline_has_is_known_and_does_not_fail() -> None:
    found = compared(NOT_MET, accepted(Outcome.NOT_RECOVERED))
    assert (found.met, found.changed) == (Met.KNOWN, "")
    assert exit_status([found]) == 0


def test_what_got_worse_fails_even_if_it_is_as_required() -> None:
    found = compared(MET, accepted(Outcome.SURVIVED))
    assert (found.met, found.changed) == (Met.NOT_MET, "worse: it was SURVIVED")


def test_what_got_better_passes_and_says_so() -> None:
    found = compared(MET, accepted(Outcome.NOT_RECOVERED))
    assert (found.met, found.changed) == (Met.MET, "better: it was NOT_RECOVERED")
    assert is_better([found])
    assert not is_better([MET])


def test_a_better_failure_is_still_a_known_one() -> None:
    found = compared(result(require=Outcome.SURVIVED), accepted(Outcome.NOT_RECOVERED))
    assert (found.met, is_better([found])) == (Met.KNOWN, True)


def test_lost_data_is_worse_where_it_is_new() -> None:
    lost = result(flags={"data_lost": "one order"})
    assert compared(lost, accepted(Outcome.RECOVERED)).changed == "worse: data_lost is new"
    assert compared(lost, accepted(Outcome.RECOVERED, "data_lost")).met is Met.MET


def test_an_incident_that_the_baseline_lacks_counts_as_without_one() -> None:
    assert compared(NOT_MET, {}) == NOT_MET


def test_a_baseline_accepts_what_was_inconclusive_but_not_a_failure_in_its_place() -> None:
    assert compared(UNCLEAR, accepted(Outcome.INCONCLUSIVE)).met is Met.KNOWN
    assert compared(UNCLEAR, accepted(Outcome.NOT_RECOVERED)).met is Met.INCONCLUSIVE
    assert compared(NOT_MET, accepted(Outcome.INCONCLUSIVE)).met is Met.NOT_MET


def test_no_baseline_accepts_a_broken_harness_or_an_app_that_does_not_start() -> None:
    assert json.loads(baseline_text([BROKEN, NEVER], app="shop"))["results"] == {}
    assert compared(NEVER, accepted(Outcome.NOT_RECOVERED)).met is Met.NEVER_STARTED


def test_a_baseline_is_read_back_and_keeps_what_was_not_run() -> None:
    before = {"other": Accepted(outcome=Outcome.SURVIVED, flags=("data_lost",))}
    text = baseline_text([NOT_MET], app="shop", before=before)
    assert read_baseline(text, file="b.json", app="shop") == before | accepted(
        Outcome.NOT_RECOVERED
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema": "another"}',
        json.dumps({"schema": SCHEMA}),
        json.dumps({"schema": SCHEMA, "app": "shop", "results": {"x": {"outcome": "FINE"}}}),
        json.dumps({"schema": SCHEMA, "app": "shop", "results": {"x": 1}}),
        "[" * 100_000,
    ],
)
def test_a_file_that_is_no_baseline_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match=r"b\.json (?s:.)*--update-baseline"):
        read_baseline(text, file="b.json", app="shop")


def test_the_baseline_of_another_app_is_refused() -> None:
    text = baseline_text([MET], app="shop")
    with pytest.raises(UsageError, match="the baseline of app shop, not of bank"):
        read_baseline(text, file="b.json", app="bank")
