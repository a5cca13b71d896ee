"""A trace as a file: written line by line, read back, and refused if it is not a trace."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from crashloop_traces import reproduction
from hypothesis import given, settings
from hypothesis import strategies as st

from crashloop.errors import HarnessError, UsageError
from crashloop.model import CONTROL, Life
from crashloop.trace import reader, writer
from crashloop.trace.event import SCHEMA, SOURCES, Event
from crashloop.trace.reader import parse_trace, read_trace
from crashloop.trace.recorder import Recorder
from crashloop.trace.redact import Redactor
from crashloop.trace.writer import TraceWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADER: dict[str, Any] = {"schema": SCHEMA, "seed": 1}
EVENT: dict[str, Any] = {
    "seq": 1,
    "mono_ns": 5,
    "at": "2025-09-15T00:00:00+00:00",
    "source": "harness",
    "kind": "lab.ready",
    "replica": None,
    "attempt": None,
    "target": None,
    "data": {},
}


@pytest.fixture
def redactor() -> Redactor:
    return Redactor()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "trace.jsonl"


@pytest.fixture
def recorder(path: Path, redactor: Redactor) -> Iterator[Recorder]:
    with TraceWriter(path, HEADER, redactor) as file:
        yield Recorder(file, redactor)


def lines(*records: object) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


# Written and read back


def test_what_is_written_reads_back_the_same(path: Path, redactor: Redactor) -> None:
    trace = reproduction(replicas=2)
    with TraceWriter(path, trace.header, redactor) as file:
        for event in trace.events:
            file.write(event.to_json())
    again = read_trace(path.parent)  # a folder is read by its trace
    assert again.events == trace.events
    assert again.header == json.loads(json.dumps(trace.header))
    assert not again.torn_line


def test_every_event_is_on_disk_before_anybody_hears_of_it(path: Path, recorder: Recorder) -> None:
    seen: list[int] = []
    recorder.subscribe(lambda _: seen.append(len(read_trace(path).events)))
    recorder.emit("harness", "a.b")
    recorder.emit("harness", "c.d")
    assert seen == [1, 2]


lives = st.none() | st.builds(Life, st.integers(1, 9), st.integers(1, 9))


def event_of(life: Life | None, **fields: Any) -> Event:
    replica, attempt = life or (None, None)
    return Event(replica=replica, attempt=attempt, **fields)


events = st.builds(
    event_of,
    life=lives,
    seq=st.integers(1, 9),
    mono_ns=st.integers(0, 2**63),
    at=st.text(max_size=5),
    source=st.sampled_from(SOURCES),
    kind=st.text(max_size=9),
    target=st.none() | st.text(max_size=9),
    data=st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers()),
)


@settings(max_examples=40)
@given(event=events)
def test_any_event_survives_its_line(event: Event) -> None:
    trace = parse_trace(lines(HEADER, event.to_json()))
    assert trace.events == (event,)


# What is no trace


def test_a_torn_last_line_is_left_out_and_reported() -> None:
    trace = parse_trace(lines(HEADER, EVENT) + b'{"seq": 2, "mono')
    assert trace.torn_line
    assert [event.seq for event in trace.events] == [1]


def test_a_malformed_line_is_named_with_file_and_line() -> None:
    raw = lines(HEADER, EVENT) + b"{oops}\n" + lines(EVENT)
    with pytest.raises(UsageError, match=r"runs/trace\.jsonl:3 is not JSON"):
        parse_trace(raw, name="runs/trace.jsonl")


@pytest.mark.parametrize("line", [b"", b"[1]", b"null", b"7", b'"x"', b"\xff\xfe", b"[" * 100_000])
def test_a_line_that_is_not_an_object_is_an_error(line: bytes) -> None:
    with pytest.raises(UsageError, match="trace:2 is not"):
        parse_trace(lines(HEADER) + line + b"\n")


FOREIGN: list[object] = [None, 2, ["crashloop.trace/2"], "", "trace/2", "crashloop.trace/x"]


@pytest.mark.parametrize("schema", FOREIGN)
def test_a_foreign_schema_is_named(schema: object) -> None:
    with pytest.raises(UsageError, match="trace:1 is not a trace of ours: schema is"):
        parse_trace(lines({"schema": schema}, EVENT))


@pytest.mark.parametrize("schema", ["crashloop.trace/9", "crashloop.trace/0"])
def test_an_unknown_schema_is_refused_before_all_else_with_the_version_that_reads_it(
    schema: str,
) -> None:
    header = {"schema": schema, "versions": {"crashloop": "7.1.0"}, "signature": 3}
    with pytest.raises(UsageError) as refused:
        parse_trace(lines(header) + b"{oops}\n")
    assert f"trace:1 has the schema '{schema}'" in str(refused.value)
    assert "reads 'crashloop.trace/1' and 'crashloop.trace/2'" in str(refused.value)
    assert "that wrote it ('7.1.0' by its header), or a newer one" in str(refused.value)


def test_an_unknown_schema_of_nobody_is_refused_too() -> None:
    with pytest.raises(UsageError, match=r"crashloop that wrote it, or a newer one$"):
        parse_trace(lines({"schema": "crashloop.trace/9", "versions": []}, EVENT))


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"scenario": []}, "as its scenario something"),
        ({"engine": "local"}, "as its engine something"),
        ({"scenario": {"platform": ["docker"]}}, "as its platform something"),
        ({"scenario": {"replicas": [1]}}, "as its replicas something"),
        ({"scenario": {"replicas": {"count": 10**12}}}, "from 1 to 1000"),
        ({"scenario": {"replicas": {"count": True}}}, "True as the count"),
        ({"scenario": {"replicas": {"overlap": -1}}}, "from 0 to 1000"),
    ],
)
def test_a_header_with_parts_that_no_run_writes_is_refused(
    part: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        parse_trace(lines({"schema": SCHEMA, **part}, EVENT))


@pytest.mark.parametrize("raw", [b"", b"no end of line"])
def test_a_file_without_a_whole_line_is_not_a_trace(raw: bytes) -> None:
    with pytest.raises(UsageError, match="holds no whole line"):
        parse_trace(raw)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seq", "1"),
        ("seq", True),
        ("seq", None),
        ("mono_ns", 1.5),
        ("at", 3),
        ("kind", None),
        ("source", 1),
        ("data", []),
        ("attempt", "1"),
        ("attempt", False),
        ("attempt", 0),
        ("attempt", -1),
        ("attempt", 1),
        ("replica", "1"),
        ("replica", 0),
        ("replica", True),
        ("replica", 1),
        ("target", 3),
        ("target", []),
        ("source", "nobody"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(key: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"trace:2 .*{key}"):
        parse_trace(lines(HEADER, {**EVENT, key: value}))


def test_a_missing_file_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*nothing\.jsonl: No such file"):
        read_trace(tmp_path / "nothing.jsonl")


def test_a_huge_file_is_refused_and_not_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MAX_TRACE_BYTES", 10)
    path = tmp_path / "trace.jsonl"
    path.write_bytes(lines(HEADER))
    with pytest.raises(UsageError, match="has more than 10 bytes"):
        read_trace(path)


# The order of events


def test_events_are_ordered_by_their_instant_and_then_as_written() -> None:
    records = [
        {**EVENT, "seq": 1, "mono_ns": 30},
        {**EVENT, "seq": 2, "mono_ns": 10},
        {**EVENT, "seq": 3, "mono_ns": 10},
    ]
    trace = parse_trace(lines(HEADER, *records))
    assert [event.seq for event in trace.events] == [2, 3, 1]


# The writer's bounds


def test_an_existing_trace_is_not_overwritten(path: Path, redactor: Redactor) -> None:
    TraceWriter(path, HEADER, redactor).close()
    with pytest.raises(UsageError, match=r"there is a trace already(?s:.)*--artifacts"):
        TraceWriter(path, HEADER, redactor)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, redactor: Redactor) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write the trace .*trace\.jsonl"):
        TraceWriter(tmp_path / "file" / "trace.jsonl", HEADER, redactor)


def test_a_full_disk_is_named_with_what_to_do(
    recorder: Recorder, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(HarnessError, match=r"No space left on device(?s:.)*free some room"):
            recorder.emit("harness", "a.b")
    assert recorder.events == []  # never told, as it was never kept
    recorder.emit("harness", "a.b")
    assert [e.seq for e in read_trace(path).events] == [1]


def test_a_partly_written_line_is_an_error_and_is_removed(
    recorder: Recorder, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
        with pytest.raises(HarnessError, match="only 7 of"):
            recorder.emit("harness", "a.b")
    recorder.emit("harness", "c.d")
    assert [event.kind for event in read_trace(path).events] == ["c.d"]


def test_an_event_that_is_too_large_is_refused(recorder: Recorder) -> None:
    with pytest.raises(HarnessError, match="too large for the trace"):
        recorder.emit("harness", "a.b", {"text": "x" * writer.MAX_LINE_BYTES})


def test_an_endless_run_stops_at_the_bound(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MAX_EVENTS", 3)
    for _ in range(3):
        recorder.emit("harness", "a.b")
    with pytest.raises(HarnessError, match="passed its bound of 3 events"):
        recorder.emit("harness", "a.b")
    recorder.emit("harness", "harness.failed", {"message": "it says why"})


# The recorder


def test_events_are_numbered_from_1_and_give_their_instant_on_both_clocks(
    recorder: Recorder,
) -> None:
    first = recorder.emit("harness", "a.b", mono_ns=1_000_000_000)
    second = recorder.emit("app", "c.d", life=Life(1, 1), mono_ns=3_500_000_000)
    assert (first.seq, second.seq) == (1, 2)
    assert _seconds(second.at) - _seconds(first.at) == pytest.approx(2.5, abs=1e-5)


def test_an_event_has_its_life_and_its_target(path: Path, recorder: Recorder) -> None:
    recorder.emit("proxy", "link.opened", life=Life(3, 2), target="redis")
    recorder.emit("harness", "lab.ready")
    own, none = read_trace(path).events
    assert (own.life, own.target) == (Life(3, 2), "redis")
    assert (none.life, none.target) == (None, None)


def test_events_are_found_by_kind_life_phase_and_target(path: Path, recorder: Recorder) -> None:
    for replica in (1, 2):
        recorder.emit("supervisor", "process.started", life=Life(replica, 1))
        recorder.emit("app", "phase.started", {"phase": "cache"}, life=Life(replica, 1))
        recorder.emit("proxy", "link.opened", life=Life(replica, 1), target="redis")
    trace = read_trace(path)
    assert trace.lives() == [Life(1, 1), Life(2, 1)]
    assert trace.lives(2) == [Life(2, 1)]
    assert [e.seq for e in trace.of("phase.started", phase="cache")] == [2, 5]
    assert [e.seq for e in trace.of("link.opened", life=Life(2, 1), target="redis")] == [6]
    assert trace.first("link.opened", target="postgres") is None
    assert trace.name(Life(2, 1)) == "attempt 1 of replica 2"


def test_the_control_life_is_read_back_and_no_lookup_finds_it(
    path: Path, recorder: Recorder
) -> None:
    recorder.emit("proxy", "link.opened", {"link": "l-1"}, life=CONTROL)
    trace = read_trace(path)
    assert [event.life for event in trace.control] == [CONTROL]
    assert (trace.of("link.opened"), trace.by_link) == ([], {})


@pytest.mark.parametrize(("replica", "attempt"), [(2, 0), (1, False), (True, 0), (None, 0)])
def test_no_other_life_is_attempt_0(replica: object, attempt: object) -> None:
    with pytest.raises(UsageError, match="trace:2 is not an event"):
        parse_trace(lines(HEADER, {**EVENT, "replica": replica, "attempt": attempt}))


def _seconds(at: str) -> float:
    hours, minutes, seconds = at.split("T")[1].removesuffix("+00:00").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def test_a_listener_that_raises_is_not_called_again(recorder: Recorder) -> None:
    heard: list[str] = []

    def broken(event: Event) -> None:
        heard.append(event.kind)
        raise KeyError(event.kind)

    recorder.subscribe(broken)
    with pytest.raises(KeyError):
        recorder.emit("harness", "a.b")
    recorder.emit("harness", "c.d")
    recorder.unsubscribe(broken)

    assert heard == ["a.b"]
    assert [event.kind for event in recorder.events] == ["a.b", "c.d"]
