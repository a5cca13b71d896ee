"""The whys of a run: from the deaths of its attempts to the fault, by the events of its trace."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from crashloop_traces import TraceBuilder, reproduction
from html_pages import read_page
from report_runs import killed_by_the_probe, own_app, three_replicas

from crashloop.incidents import incident
from crashloop.model import Judgement, Verdict
from crashloop.report.events import history_of
from crashloop.report.page.run import run_html
from crashloop.report.run_whys import whys_of_run
from crashloop.trace.reader import parse_trace

if TYPE_CHECKING:
    from crashloop.diagnosis.why import Whys
    from crashloop.trace.event import Trace

RECORDED = Path(__file__).parents[2] / "fixtures" / "recorded" / "schema-1"


def recorded(name: str) -> Trace:
    return parse_trace(gzip.decompress((RECORDED / f"{name}.jsonl.gz").read_bytes()))


def judged(verdict: Verdict = Verdict.INCONCLUSIVE) -> Judgement:
    return Judgement(verdict=verdict, reason="it was not judged", findings=())


def whys(trace: Trace, judgement: Judgement | None = None) -> Whys:
    return whys_of_run(trace, judgement or judged(), history_of(trace))


def says(trace: Trace) -> list[str]:
    return [why.says for why in whys(trace).steps]


def test_the_deaths_of_a_run_lead_step_by_step_to_the_fault() -> None:
    steps = whys(recorded("reproduction")).steps
    assert [(why.says, [e.kind for e in why.events][:1]) for why in steps] == [
        (
            "The app did not stay up: 3 attempts died before they were ready.",
            ["process.exited"],
        ),
        ("Each time its process ended with exit code 3.", ["process.exited"]),
        (
            "Each time its start-up failed in phase database, after 20.0 s of its limit of 20 s.",
            ["phase.failed"],
        ),
        ("Each time it met TimeoutError", ["phase.failed"]),
        ("The fault held connections to Postgres 3 times, as the proxy shows.", ["link.held"]),
        ("Fault connector-scaling (hold, delay 30 s) was injected.", ["fault.injected"]),
    ]


@pytest.mark.parametrize("name", ["control", "remedy", "unplugged"])
def test_a_run_in_which_nothing_died_has_no_step(name: str) -> None:
    trace = recorded(name)
    assert whys(trace).steps == ()
    assert 'id="whys"' not in run_html(trace, judged())


def test_a_kill_of_the_platform_leads_to_its_probe() -> None:
    found = says(killed_by_the_probe())
    assert found[1] == "Each time the platform killed it for the start-up probe."
    assert found[2].startswith("Each time that probe had failed")


def test_without_a_receipt_the_chain_ends_before_the_fault() -> None:
    trace = reproduction()
    held = [e for e in trace.events if e.source != "proxy"]
    found = whys(replace(trace, events=tuple(held)))
    assert "no receipt" in found.ends
    assert not [why for why in found.steps if "ault" in why.says]


@pytest.mark.parametrize("odd", [[], {"a": 1}, -1, None, "x" * 1000])
def test_odd_values_in_a_trace_lead_to_no_error_and_to_no_long_sentence(odd: object) -> None:
    trace = reproduction()
    events = [
        replace(e, data=dict.fromkeys((*e.data, "says", "sqlstate", "error", "phase"), odd))
        for e in trace.events
    ]
    found = whys(replace(trace, events=tuple(events)))
    assert all(len(why.says) <= 300 for why in found.steps)


def test_a_harness_that_broke_explains_nothing() -> None:
    trace = reproduction()
    found = whys(trace, judged(Verdict.HARNESS_ERROR))
    assert found.steps == ()
    assert "harness broke" in found.ends


@pytest.mark.parametrize(
    "trace",
    [reproduction(), three_replicas(), killed_by_the_probe(), own_app()],
    ids=["reproduction", "replicas", "probes", "own app"],
)
def test_seven_steps_at_most_each_rest_on_events_to_which_the_page_links(trace: Trace) -> None:
    page = read_page(run_html(trace, judged()))
    links = {address for _, address in page.references()}
    steps = whys(trace).steps
    assert 2 <= len(steps) <= 7
    assert all(why.events for why in steps)
    assert {f"#e{event.seq}" for why in steps for event in why.events} <= links
    assert page.wrong == []


@pytest.mark.parametrize(
    ("served", "words"),
    [
        ({1}, "3 attempts died, 1 of them after it had been ready."),
        ({1, 3}, "3 attempts died, 2 of them after they had been ready."),
        ({1, 2, 3}, "3 attempts died after they had been ready."),
    ],
)
def test_attempts_that_had_been_ready_before_they_died_are_counted(
    served: set[int], words: str
) -> None:
    run = TraceBuilder(incident("issue-1278").scenario())
    run.opening()
    for attempt in (1, 2, 3):
        run.started(attempt)
        if attempt in served:
            run.add("harness", "ready.answered", attempt=attempt, ready=True)
        run.exited(attempt)

    assert words in says(run.trace())[0]
