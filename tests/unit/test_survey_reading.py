"""What the trace of a run adds to its result in a check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crashloop_edits import changed, without
from crashloop_own_apps import (
    HELD,
    WITHOUT_JOURNEY,
    delayed,
    lazy,
    slots_exhausted,
    untouched,
)

from crashloop.judge import judge
from crashloop.model import Outcome
from crashloop.report.data import run_document
from crashloop.survey.plan import Planned
from crashloop.survey.reading import read_result
from crashloop.survey.result import Met, Result, exit_status, result_of
from crashloop.survey.table import why_words

if TYPE_CHECKING:
    from crashloop.trace.event import Trace

RUN = Planned(incident="issue-1278", title="it hangs", params={})
IDLE = "it changes no schema while it starts"


def read(trace: Trace, *, idle: str = IDLE) -> Result:
    document = run_document(trace, judge(trace), artifacts="", trace_path="here")
    result = result_of(RUN, document, require=Outcome.RECOVERED, took_s=1.0)
    return read_result(result, trace, idle=idle)


def test_survival_proves_how_much_was_served_and_for_how_long() -> None:
    result = read(delayed())
    assert result.outcome is Outcome.SURVIVED
    assert result.proves.startswith("it did not die, and served 1 journey in the 1 s")


@pytest.mark.parametrize(
    "trace",
    [delayed(app=WITHOUT_JOURNEY), slots_exhausted(deaths=0)],
    ids=["no journey", "room beside the old revision"],
)
def test_where_the_outcome_says_best_what_survival_proves_it_is_not_replaced(trace: Trace) -> None:
    result = read(trace)
    assert (result.outcome, result.proves) == (Outcome.SURVIVED, "")
    assert why_words(result) == f"proves: {result.why}"


def test_an_incident_whose_fault_touched_nothing_of_a_healthy_app_does_not_apply() -> None:
    result = read(untouched())
    assert (result.met, result.outcome, result.why) == (Met.DOES_NOT_APPLY, None, IDLE)
    document = result.to_json()
    assert (document["applies"], document["outcome"], document["why"]) == (False, None, IDLE)
    assert document["trace"] == "here"
    assert exit_status([result, read(delayed())]) == 0


@pytest.mark.parametrize(
    "trace",
    [
        without(untouched(), "ready.answered"),
        without(untouched(), "fault.injected"),
        without(untouched(), "run.finished"),
        changed(untouched(), "run.finished", how="unheard of"),
    ],
    ids=["never ready", "no fault", "cut off", "broken"],
)
def test_a_run_that_shows_nothing_stays_inconclusive(trace: Trace) -> None:
    assert read(trace).met is not Met.DOES_NOT_APPLY


def test_an_incident_that_applies_to_every_app_stays_inconclusive_if_nothing_was_touched() -> None:
    assert read(untouched(), idle="").met is Met.INCONCLUSIVE


@pytest.mark.parametrize("trace", [HELD, lazy()], ids=["died", "served nobody"])
def test_a_run_in_which_the_app_failed_is_never_idle(trace: Trace) -> None:
    result = read(trace)
    assert (result.met, result.proves) == (Met.MET, "")
