"""Edited traces: whatever they hold, the outcome is one of its words, and nothing is raised."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from crashloop_edits import inserted, sealed, with_header, with_scenario
from crashloop_own_apps import HELD, OwnAppRun, delayed, lazy, refused, scenario, untouched
from crashloop_traces import DATABASE, TARGET

from crashloop.model import Outcome
from crashloop.outcome import fate_of
from crashloop.trace.event import Trace


def rich() -> Trace:
    """A run with most kinds of event that the outcome reads."""
    run = OwnAppRun(scenario())
    run.begin()
    run.starts(1)
    run.ready(1)
    run.held(1)
    run.dropped(1)
    link = run.connected(1)
    said = {"sqlstate": "28P01", "client": run.events[-1].data["via"]}
    run.add("database", "database.error", target=TARGET, attempt=1, **said)
    run.answered(link, 1)
    run.tried(1, why="answered 500")
    run.add("supervisor", "process.killed", attempt=1, by="startup probe", signal="SIGTERM")
    run.dies(1)
    run.add("supervisor", "restart.gave_up", attempt=1, reason="?")
    run.add("harness", "before.checked", attempt=1, lost=["x"], doubled=["y"], checked=1)
    return run.recovers(2)


RICH = rich()
RUNS = [RICH, HELD, lazy(), delayed(), refused(path=DATABASE), untouched()]
HOSTILE: list[Any] = [None, "x", -1, 10**400, 1e300, float("nan"), True, [], {}, [None], {"a": []}]


def is_an_outcome(trace: Trace) -> bool:
    found = fate_of(trace)
    assert found is not None
    json.dumps(found.to_json())
    return found.outcome in set(Outcome)


def edits(trace: Trace, value: Any) -> Iterator[Trace]:
    """The trace with this value in one field of the first event of each kind."""
    seen: set[tuple[str, str]] = set()
    for event in trace.events:
        for key in event.data:
            if (event.kind, key) in seen:
                continue
            seen.add((event.kind, key))
            data = {**event.data, key: value}
            yield Trace(
                header=trace.header,
                events=tuple(replace(e, data=data) if e is event else e for e in trace.events),
            )


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:20])
def test_any_value_in_any_field_of_an_event_gives_an_outcome(value: Any) -> None:
    assert all(is_an_outcome(trace) for trace in edits(RICH, value))


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:20])
def test_any_value_in_any_part_of_the_scenario_gives_an_outcome(value: Any) -> None:
    for part in RICH.scenario:
        edited = with_scenario(RICH, **{part: value})
        if part != "is_own_app":
            assert is_an_outcome(edited), part
    for part in RICH.scenario["app"]:
        assert is_an_outcome(with_scenario(RICH, app={**RICH.scenario["app"], part: value})), part
    fault = RICH.scenario["faults"][0]
    for part in fault:
        assert is_an_outcome(with_scenario(RICH, faults=[{**fault, part: value}])), part


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:20])
def test_any_value_in_the_header_gives_an_outcome(value: Any) -> None:
    for part in ("signature", "engine", "time_scale"):
        assert is_an_outcome(with_header(RICH, **{part: value})), part
    required = RICH.header["signature"]["require"]
    spec = {**required[0], "check": value}
    assert is_an_outcome(with_header(RICH, signature={"require": [spec]}))
    assert is_an_outcome(with_header(RICH, signature={"require": [value, *required]}))


@pytest.mark.parametrize("trace", RUNS)
def test_a_run_without_its_events_of_one_kind_gives_an_outcome(trace: Trace) -> None:
    for kind in {event.kind for event in trace.events}:
        assert is_an_outcome(sealed(trace, [e for e in trace.events if e.kind != kind])), kind


@pytest.mark.parametrize("trace", RUNS)
def test_a_run_that_was_cut_off_anywhere_shows_nothing_or_that_the_app_never_started(
    trace: Trace,
) -> None:
    for last in range(0, len(trace.events) - 1, 3):
        found = fate_of(Trace(header=trace.header, events=trace.events[:last]))
        assert found is not None
        assert found.outcome is Outcome.INCONCLUSIVE, last


@pytest.mark.parametrize(
    "kind",
    [
        *("control.failed", "process.exited", "fault.healed", "ready.answered", "journey.tried"),
        *("before.checked", "database.backends", "database.error", "restart.gave_up"),
        *("harness.failed", "run.refused", "run.interrupted"),
    ],
)
def test_what_the_app_itself_says_of_the_run_changes_nothing(kind: str) -> None:
    trace = delayed()
    data: dict[str, Any] = {"ready": False, "passed": False, "why": "?", "lost": ["x"], "count": 9}
    data |= {"fault": "connector-scaling", "sqlstate": "28P01", "exit_code": 1, "pid": 100}
    link = next(e for e in trace.events if e.kind == "link.delayed")
    said = inserted(trace, link, "app", kind, attempt=1, what="died", **data)
    before, after = fate_of(trace), fate_of(said)
    assert before is not None
    assert after is not None
    assert (after.outcome, after.why, after.flags) == (before.outcome, before.why, before.flags)
