"""Whatever an app logs, the run goes on, and its trace can be read, judged and shown."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from crashloop_edits import one, sealed
from crashloop_outages import KILLED, SLOTS
from crashloop_traces import REPRODUCTION
from hypothesis import given, settings
from hypothesis import strategies as st

from crashloop.clock import TimeScale
from crashloop.cloud_logging import log_entries
from crashloop.engines.output import AppOutput, LineReader
from crashloop.faults import plan
from crashloop.judge import judge
from crashloop.logs.structured import EVENT_KINDS, MAX_DEPTH
from crashloop.model import Life, Moment, Trigger
from crashloop.report.data import run_document
from crashloop.report.live import Feed, PlainProgress
from crashloop.supervisor.waits import Waits
from crashloop.timeline import Timeline
from crashloop.trace.reader import read_trace
from crashloop.trace.recorder import Recorder
from crashloop.trace.redact import Redactor
from crashloop.trace.writer import TraceWriter

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.faults.ports import Ports
    from crashloop.trace.event import Event, Trace

LIFE = Life(1, 1)


def line(kind: str, **data: object) -> str:
    return json.dumps({"event": kind, "mono_ns": 1, **data})


HONEST = line("phase.started", phase="database", limit_s=20)
LATER = Moment(on="phase.started", where={"phase": "database"}, after_s=1000.0)

FIELDS = st.sampled_from(
    ["phase", "limit_s", "duration_s", "error", "boot_id", "degraded", "address", "severity",
     "tries", "type", "sqlstate", "errno", "message", "link", "fault", "count", "ready", "status",
     "probe", "failures", "ok", "by", "signal", "exit_code", "pid", "replica", "attempt", "target",
     "source", "requested", "revision", "client", "via", "fault_kind", "plugged", "password"]
)  # fmt: skip
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**400), 10**400) | st.floats() | st.text(max_size=9)
    | st.sampled_from(["database", "\ud800", "\x1b]0;owned\x07", "postgres://u:secret@h/d"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
KINDS = st.sampled_from(
    ["startup.started", "startup.completed", "startup.failed", "phase.started", "phase.completed",
     "phase.failed", "phase.degraded", "shutdown.started", "database.retry_failed",
     "database.error", "database.died", "database.backends", "database.sessions_taken",
     "database.lock_waiting", "database.starting", "database.recovering", "chat.said"]
) | st.builds("".join, st.tuples(st.sampled_from(EVENT_KINDS), st.text(max_size=9)))  # fmt: skip
LINES = st.builds(
    json.dumps,
    st.builds(
        lambda kind, mono_ns, data: {**data, "event": kind, "mono_ns": mono_ns},
        KINDS,
        st.integers(-(2**70), 2**70),
        st.dictionaries(FIELDS, JSON, max_size=5),
    ),
    ensure_ascii=st.booleans(),
) | st.text(max_size=20)


def logged(lines: list[str], folder: Path) -> list[Event]:
    """The events of an app that logs these lines, as they are read back from the trace."""
    redactor = Redactor(["secret"])

    async def run(writer: TraceWriter) -> None:
        events = Recorder(writer, redactor)
        fault = plan(
            name="f",
            target="postgres",
            kind="hold",
            inject=Trigger(first_of=(LATER,)),
            heal=Trigger(first_of=(LATER,)),
        )
        nothing: Any = None
        ports: Ports = nothing
        Timeline([fault], ports=ports, recorder=events, scale=TimeScale(factor=20.0))
        waits = Waits(LIFE)
        for listen in (
            waits.event,
            Feed().add,
            PlainProgress(scale=20.0, stream=io.TextIOWrapper(io.BytesIO(), "utf-8")).on_event,
        ):
            events.subscribe(listen)
        output = AppOutput(events, life=LIFE, path=folder / "attempt-1.log", started_ns=0)
        reader = LineReader()
        try:
            for each in reader.feed("\n".join([*lines, ""]).encode(errors="surrogatepass")):
                output.line(each)
        finally:
            output.close()
        assert 0 <= waits.waited_s(run_s=1.0, exited_ns=10**18) <= 1.0

    with TraceWriter(folder / "trace.jsonl", REPRODUCTION.header, redactor) as writer:
        asyncio.run(run(writer))
    return list(read_trace(folder / "trace.jsonl").events)


def after_the_phase_began(trace: Trace, found: list[Event]) -> Trace:
    """The trace with these events in its first life, while its database phase was running."""
    begun = one(trace, "phase.started", 1, "database")
    assert begun.life is not None
    at = trace.events.index(begun) + 1
    own: dict[str, Any] = {"mono_ns": begun.mono_ns, "at": begun.at, "replica": begun.replica}
    moved = [replace(event, **own) for event in found]
    return sealed(trace, [*trace.events[:at], *moved, *trace.events[at:]])


@given(st.lists(LINES, max_size=6))
@settings(max_examples=20, deadline=None)
def test_no_line_of_an_app_breaks_its_run(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    found = logged([HONEST, *lines], tmp_path_factory.mktemp("run"))

    for whole in (REPRODUCTION, KILLED, SLOTS):
        trace = after_the_phase_began(whole, found)
        judgement = judge(trace)
        unread = [f.says for f in judgement.findings if "could not read its evidence" in f.says]
        assert not unread
        json.dumps([run_document(trace, judgement, artifacts="x"), log_entries(trace)])


@pytest.mark.parametrize("depth", [MAX_DEPTH - 1, MAX_DEPTH, 500, 20_000])
def test_a_line_that_is_nested_too_deeply_is_plain_output(tmp_path: Path, depth: int) -> None:
    deep = '{"event": "phase.started", "mono_ns": 1, "a": %s}' % ("[" * depth + "]" * depth)

    (event,) = logged([deep], tmp_path)

    is_event = depth < MAX_DEPTH
    assert event.kind == ("phase.started" if is_event else "app.output")
    assert is_event or event.data["text"].startswith('{"event": "phase.started"')
