"""The app's output: lines of any length, cut anywhere."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import pytest
from memory_recorder import recorder

from crashloop.engines import process
from crashloop.engines.output import MAX_LINE_CHARS, MAX_READ_CHARS, AppOutput, LineReader
from crashloop.engines.workspace import workspace
from crashloop.model import Life
from crashloop.trace.event import SCHEMA
from crashloop.trace.reader import read_trace
from crashloop.trace.recorder import Recorder
from crashloop.trace.redact import Redactor
from crashloop.trace.writer import TraceWriter

if TYPE_CHECKING:
    from pathlib import Path

PRINT = "import sys; sys.stdout.buffer.write((sys.argv[1] * int(sys.argv[2])).encode() + b'\\n')"


@pytest.mark.parametrize("character", ["x", "語", "😀"])
@pytest.mark.parametrize("count", [MAX_LINE_CHARS, MAX_LINE_CHARS + 1, 180_000])
async def test_a_line_is_kept_from_its_beginning_and_a_cut_is_recorded(
    tmp_path: Path, character: str, count: int
) -> None:
    events = recorder()
    output = AppOutput(events, life=Life(1, 1), path=tmp_path / "attempt-1.log")
    with workspace() as space:
        command = [sys.executable, "-c", PRINT, character, str(count)]
        child = process.start(command, workspace=space, name="the app")
        child.listen(output.line)
        await child.exited
        await child.drained()
    output.close()

    kept = min(count, MAX_LINE_CHARS)
    assert (tmp_path / "attempt-1.log").read_text() == character * kept + "\n"
    cut = [event for event in events.events if event.kind == "app.truncated"]
    assert bool(cut) is (count > MAX_LINE_CHARS)


@pytest.mark.parametrize("end", ["", "\n", "x" * 100_000])
@pytest.mark.parametrize("until", [MAX_LINE_CHARS, MAX_READ_CHARS])
async def test_no_piece_of_a_secret_is_left_where_a_line_is_cut(
    tmp_path: Path, until: int, end: str
) -> None:
    masked = "hunter2-and-more"
    redactor = Redactor([masked])
    with TraceWriter(tmp_path / "trace.jsonl", {"schema": SCHEMA}, redactor) as writer:
        output = AppOutput(
            Recorder(writer, redactor), life=Life(1, 1), path=tmp_path / "attempt-1.log"
        )
        reader = LineReader()
        text = f"{masked} {'y' * 5000}".ljust(until - 7, "x") + masked + end
        for line in [*reader.feed(text.encode()), *reader.end()]:
            output.line(line)
        output.close()

    assert "hunter" not in (tmp_path / "attempt-1.log").read_text()


@pytest.mark.parametrize("character", ["x", "語", "😀"])
async def test_the_longest_structured_line_fits_into_the_trace(
    tmp_path: Path, character: str
) -> None:
    redactor = Redactor()
    with TraceWriter(tmp_path / "trace.jsonl", {"schema": SCHEMA}, redactor) as writer:
        output = AppOutput(
            Recorder(writer, redactor),
            life=Life(1, 1),
            path=tmp_path / "attempt-1.log",
            started_ns=0,
        )
        entry = {"event": "phase.failed", "mono_ns": 1, "text": ""}
        room = MAX_LINE_CHARS - len(json.dumps(entry))
        output.line(json.dumps({**entry, "text": character * room}, ensure_ascii=False))
        output.close()

    (event,) = read_trace(tmp_path / "trace.jsonl").events
    assert event.data["text"] == character * room


def test_a_character_may_arrive_in_two_parts() -> None:
    reader = LineReader()
    first, last = "語\n".encode()[:1], "語\n".encode()[1:]

    assert reader.feed(first) == []
    assert reader.feed(last) == ["語"]


def test_the_last_line_needs_no_line_end() -> None:
    reader = LineReader()

    assert reader.feed(b"one\r\n\ntwo") == ["one", ""]
    assert reader.end() == ["two"]
    assert reader.end() == []


def test_a_line_without_an_end_takes_bounded_memory() -> None:
    reader = LineReader()
    for _ in range(100):
        reader.feed(b"x" * MAX_LINE_CHARS)

    (line,) = reader.end()
    assert len(line) == MAX_READ_CHARS + 1


async def test_a_listener_that_raises_does_not_hide_the_childs_end() -> None:
    def broken(line: str) -> None:
        raise KeyError(line)

    raised: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: raised.append(context["exception"])
    )
    with workspace() as space:
        child = process.start([sys.executable, "-c", "print(1)"], workspace=space, name="the app")
        child.listen(broken)
        async with asyncio.timeout(30):
            assert await child.exited == 0
            await child.drained()
    assert [type(error) for error in raised] == [KeyError]
