"""A report shows any content of a trace without harm and without failing."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from crashloop_traces import reproduction
from html_pages import read_page
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_runs import SLOTS, OwnTold, Told, killed_by_the_probe, own_app, three_replicas
from report_texts import happened, summary_text, timeline_text

from crashloop.judge import judge
from crashloop.model import Finding, Judgement, Verdict
from crashloop.report.data import run_document
from crashloop.report.drawing import timeline
from crashloop.report.events import KINDS, history_of
from crashloop.report.job_text import run_text
from crashloop.report.lines import plain
from crashloop.report.page.run import run_html
from crashloop.report.progress import Progress
from crashloop.report.status import status
from crashloop.report.summary import Where, summary, title
from crashloop.report.terminal import Terminal
from crashloop.trace.event import SOURCES, Event, Trace, ordered

EVIL = "[red]\x1b[2J\x1b]0;owned\x07\nline\x00" + "A" * 100_000
WHERE = Where(folder="evidence")

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
RECEIPTS = (
    "link.held",
    "database.error",
    "cache.loading",
    "database.sessions_taken",
    "phase.failed",
)
KEYS = st.sampled_from(
    ["phase", "limit_s", "duration_s", "error", "fault", "fault_kind", "params", "plugged",
     "ready", "status_code", "exit_code", "signal", "requested", "pid", "how", "message", "hint",
     "trigger", "why", "reason", "revision", "probe", "failures", "after_s", "by", "step", "of",
     "says", "addresses", "sqlstate", "count", "left", "what", "lines", "passed", "number",
     "took_s", "link", "server", "address", "lost", "doubled"]
)  # fmt: skip
EVENTS = st.builds(
    Event,
    at=st.just("2025-09-15T00:00:00.000000+00:00"),
    seq=st.integers(0, 2**40),
    mono_ns=st.integers(-(10**400), 10**400) | st.integers(0, 10**10),
    source=st.sampled_from(SOURCES),
    kind=st.sampled_from([*sorted(KINDS), *RECEIPTS]),
    replica=st.none() | st.integers(-3, 9),
    attempt=st.none() | st.integers(-3, 9),
    target=st.none() | st.sampled_from(["postgres", "redis"]) | st.text(max_size=30),
    data=st.dictionaries(KEYS, JSON, max_size=6),
)
ANY: st.SearchStrategy[Any] = (
    st.none() | st.integers() | st.text(max_size=5) | st.lists(st.none(), max_size=1)
)
RECEIPT: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {
        "grade": st.sampled_from(["server", "client", "direct"]),
        "kinds": st.just(RECEIPTS) | ANY,
        "whose": st.sampled_from(["server", "app", "link"]) | ANY,
        "where": st.just({}) | ANY,
    }
)
FAULT = st.fixed_dictionaries({"name": ANY, "target": ANY, "receipt": RECEIPT | ANY})
SCENARIOS = st.fixed_dictionaries(
    {
        "replicas": ANY | st.fixed_dictionaries({"count": ANY, "overlap": ANY}),
        "dependencies": ANY | st.lists(st.fixed_dictionaries({"name": ANY, "kind": ANY})),
        "platform": ANY,
        "faults": ANY | st.lists(FAULT, max_size=2),
        "is_own_app": st.booleans() | ANY,
        "not_asked": ANY | st.dictionaries(st.text(max_size=5), ANY, max_size=2),
    }
)
HEADERS = st.dictionaries(
    st.sampled_from(["seed", "time_scale", "command", "engine"]), JSON, max_size=4
).flatmap(lambda header: (JSON | SCENARIOS).map(lambda found: {**header, "scenario": found}))


def evil(value: object) -> object:
    """Hostile text for text, in a list as well."""
    if isinstance(value, list):
        return [evil(one) for one in value]
    return EVIL if isinstance(value, str) else value


def with_evil(event: Event) -> Event:
    """The same event; every text in it is hostile, the name of a fault as well."""
    data = {key: evil(value) for key, value in event.data.items()}
    target = None if event.target is None else EVIL
    return replace(event, target=target, data={**data, "error": [{"type": EVIL, "sqlstate": EVIL}]})


def evil_trace(trace: Trace) -> Trace:
    """The trace with every text in it hostile."""
    scenario = {**trace.header["scenario"], "incident": EVIL, "title": EVIL, "role": EVIL}
    scenario["dependencies"] = [{"name": EVIL, "kind": EVIL, "transport": EVIL}]
    scenario["platform"] = {"name": EVIL}
    scenario["not_asked"] = {EVIL: EVIL}
    scenario["faults"] = [{**f, "name": EVIL, "target": EVIL} for f in scenario["faults"]]
    header = {**trace.header, "command": EVIL, "seed": EVIL, "scenario": scenario}
    return Trace(header=header, events=tuple(with_evil(e) for e in trace.events))


def quoted_servers() -> Trace:
    """A run whose receipts are a server's own words."""
    run = Told().ready().fault("full", "slots_taken", "postgres", SLOTS)
    run.faults[0]["receipt"] = {**SLOTS, "where": {}}
    run.add(1, "database", "database.error", target="postgres", sqlstate="53300")
    return run.end(9)


def never_started() -> Trace:
    """A run of the user's own app that ends with its control life."""
    return OwnTold().control_failed("died", "it died", *["last line"] * 20, exit_code=1)


TRACES = pytest.mark.parametrize(
    "trace",
    [
        reproduction(),
        three_replicas(),
        killed_by_the_probe(),
        quoted_servers(),
        own_app(),
        never_started(),
    ],
    ids=["reproduction", "replicas", "probes", "servers", "own app", "never started"],
)


def evil_judgement() -> Judgement:
    finding = Finding(check=EVIL, role="expect", holds=False, says=EVIL, evidence=(1,))
    return Judgement(
        verdict=Verdict.NOT_REPRODUCED, reason=EVIL, findings=(finding,), signature=EVIL
    )


@TRACES
def test_hostile_text_acts_on_no_terminal_and_floods_none(trace: Trace) -> None:
    history = history_of(evil_trace(trace))
    stream = io.StringIO()

    Terminal(stream).show(
        [*timeline(history), *summary(history, evil_judgement(), where=WHERE, width=100)]
    )

    shown = stream.getvalue()
    assert not [c for c in shown if ord(c) < 32 and c != "\n"]
    assert "[red]" in shown
    assert "owned" not in shown
    assert len(shown) < 20_000


@TRACES
def test_hostile_text_is_as_harmless_in_plain_text(trace: Trace) -> None:
    evil = evil_trace(trace)
    shown = timeline_text(evil) + summary_text(evil, evil_judgement()) + happened(evil)
    shown += plain([title(history_of(evil))]) + status(history_of(evil))

    assert "\x1b" not in shown
    assert len(shown) < 20_000


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("crashloop reproduce issue-1278 --param 'policy=a b'", True),
        ("crashloop reproduce issue-1278; rm -rf .", False),
        ("crashloop $(id)", False),
        ("sh -c id", False),
        ("crashloop 'unfinished", False),
    ],
)
def test_a_foreign_command_is_not_offered_to_be_run_again(command: str, shown: bool) -> None:
    trace = reproduction()

    history = history_of(replace(trace, header={**trace.header, "command": command}))

    assert history.command == (command if shown else "")


@TRACES
def test_a_line_of_progress_stays_one_line(trace: Trace) -> None:
    progress = Progress(scale=20.0)

    lines = [progress.line(event) for event in evil_trace(trace).events]

    said = [one for one in lines if one is not None]
    assert said
    assert all("\n" not in one and "\x1b" not in one and len(one) < 1200 for one in said)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(header=HEADERS, events=st.lists(EVENTS, max_size=12))
def test_no_trace_breaks_a_report(header: dict[str, Any], events: list[Event]) -> None:
    trace = Trace(header=header, events=ordered(events))
    history = history_of(trace)
    progress = Progress(scale=history.scale)

    text = plain([*timeline(history), *summary(history, evil_judgement(), where=WHERE, width=80)])
    for event in trace.events:
        progress.line(replace(event, mono_ns=1))  # a run's own clock is to be believed

    text.encode()
    json.dumps(run_document(trace, evil_judgement(), artifacts="x"), allow_nan=False)


def test_the_document_of_a_run_is_plain_json_with_verdict_and_attempts() -> None:
    trace = reproduction()

    document = json.loads(json.dumps(run_document(trace, judge(trace), artifacts="evidence")))

    assert document["verdict"] == "REPRODUCED"
    assert document["exit_status"] == 0
    assert [a["exit"] for a in document["attempts"]] == ["exit 3"] * 3 + ["SIGTERM"]
    assert [a["died"] for a in document["attempts"]] == [True, True, True, False]
    assert document["faults"][0]["healed"] is True
    assert [(a["replica"], a["attempt"]) for a in document["attempts"]] == [
        (1, 1), (1, 2), (1, 3), (1, 4),
    ]  # fmt: skip
    assert document["faults"][0]["target"] == "postgres"
    assert [(j["replica"], j["passed"]) for j in document["journey"]] == [(1, True)]
    assert document["span_incident_s"] == pytest.approx(20 * document["span_wall_s"], abs=0.01)


@TRACES
def test_hostile_text_is_harmless_and_bounded_on_a_page(trace: Trace) -> None:
    html = run_html(evil_trace(trace), evil_judgement())

    page = read_page(html)
    assert page.wrong == []
    assert len(page.all("script")) == 1
    assert not [c for c in html if ord(c) < 32 and c != "\n"]
    assert len(html) < 400_000


def as_read(header: dict[str, Any]) -> dict[str, Any]:
    """The header with those parts whole that every trace has which was read."""
    scenario = header["scenario"] if isinstance(header["scenario"], dict) else {}
    whole: dict[str, Any] = {"app": {}, "platform": {}, "replicas": {"count": 2, "overlap": 0}}
    engine = header.get("engine", {})
    return {
        **header,
        "scenario": {**scenario, **whole},
        "engine": engine if isinstance(engine, dict) else {},
    }


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(header=HEADERS, events=st.lists(EVENTS, max_size=12))
def test_no_trace_breaks_a_page_or_a_job_summary(
    header: dict[str, Any], events: list[Event]
) -> None:
    trace = Trace(header=as_read(header), events=ordered(events))

    html = run_html(trace, evil_judgement())

    assert read_page(html).wrong == []
    (html + run_text(trace, evil_judgement())).encode()
