"""The report of a run on Docker: who restarted the app, what was not scaled, who witnessed."""

from __future__ import annotations

from typing import Any

import pytest
from crashloop_edits import with_header
from crashloop_traces import make_event, reproduction
from report_runs import HOLD, SYN, Told
from report_texts import happened, summary_text

from crashloop.judge import judge
from crashloop.model import Life
from crashloop.report.events import history_of, history_so_far
from crashloop.report.lines import plain
from crashloop.report.progress import Progress
from crashloop.report.sentences import clock_note
from crashloop.report.status import status
from crashloop.report.summary import title
from crashloop.trace.event import Event, Trace

PLATFORM = "the platform (a model of docker:on-failure:6)"
DOCKER = {"name": "docker", "capabilities": []}


def event(seq: int, kind: str, **data: str) -> Event:
    return make_event(
        seq=seq, mono_ns=seq, source="harness", kind=kind, attempt=None, data=dict(data)
    )


def told(trace: Trace) -> str:
    return " ".join(summary_text(trace, judge(trace), width=100).split())


def on_docker(**params: Any) -> Trace:
    return with_header(reproduction(**params), engine=DOCKER)


def test_the_report_says_that_docker_restarted_the_app() -> None:
    assert "died with exit 3 each time, and Docker restarted it." in told(on_docker())
    assert f"died with exit 3 each time, and {PLATFORM} restarted it." in told(reproduction())


def test_the_report_does_not_call_dockers_back_off_scaled() -> None:
    text = told(on_docker())

    assert "x20: every limit and delay, but not Docker's own back-off, is divided by 20" in text
    assert "every limit, delay and back-off" not in text


def test_the_title_names_the_engine_unless_it_is_the_default() -> None:
    assert "reproduction  docker  x20" in plain([title(history_of(on_docker()))])
    assert "reproduction  x20" in plain([title(history_of(reproduction()))])


@pytest.mark.parametrize(
    ("fault", "receipt", "witness"),
    [
        ("hold", HOLD, "the proxy shows"),
        ("black_hole", SYN, "the packets at Toxiproxy's port show"),
    ],
)
def test_the_witness_is_whoever_saw_the_fault_there(
    fault: str, receipt: dict[str, Any], witness: str
) -> None:
    run = Told(engine="docker").ready().fault("f", fault, "postgres", receipt)
    run.start(Life(1, 1), 0)
    link = run.came(Life(1, 1), 1, "postgres")
    run.add(1, "proxy", receipt["kinds"][0], **link, fault="f", pid=101)

    assert f", as {witness}." in happened(run.end(20))


def test_a_platform_that_crashloop_plays_on_docker_restarts_the_app_there() -> None:
    run = Told(engine="docker").ready()
    run.header["scenario"]["platform"] = {"name": "kubernetes"}
    run.death(Life(1, 1), 0)
    run.start(Life(1, 2), 40)
    trace = run.end(60)

    assert "the platform (a model of kubernetes) restarted it" in happened(trace)
    note = clock_note(history_of(trace))
    assert "every limit, delay and back-off is divided by 20" in note
    assert "starting a container" in note


def test_the_build_of_an_image_is_reported_only_while_it_lasts() -> None:
    building = event(1, "image.missing", what="building crashloop/app:1 from x")
    ready = event(2, "lab.ready")

    assert status(history_so_far({}, [building])) == "building crashloop/app:1 from x; needed once"
    assert "building" not in status(history_so_far({}, [building, ready]))
    assert "building crashloop/app:1" in str(Progress(scale=1).line(building))


def test_a_trace_without_an_engine_is_read_as_a_local_one() -> None:
    trace = reproduction()
    bare = Trace(
        header={k: v for k, v in trace.header.items() if k != "engine"}, events=trace.events
    )

    assert not history_of(bare).is_on_docker
