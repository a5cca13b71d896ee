"""The app's output: what its lines say, its last lines, and whether it is ready."""

from __future__ import annotations

import asyncio
import errno
import json
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from memory_recorder import recorder

from crashloop.engines import process
from crashloop.engines.output import (
    LAST_LINES,
    MAX_LAST_CHARS,
    MAX_LINES,
    MAX_MATCHED_CHARS,
    AppOutput,
)
from crashloop.engines.workspace import workspace
from crashloop.model import CONTROL, Life

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crashloop.trace.event import Event

NS_PER_S = 10**9
FRAMES = ["Traceback (most recent call last):", '  File "app.py", line 1, in <module>']
ERROR = "ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 5432)"
TRACEBACK = [*FRAMES, ERROR]


class Output:
    """The output of a life that began at 100 s, and the events that it has become."""

    def __init__(self, folder: Path, life: Life) -> None:
        self.recorder = recorder()
        self.log = folder / "attempt.log"
        self.output = AppOutput(
            self.recorder,
            life=life,
            path=self.log,
            started_ns=100 * NS_PER_S,
            ready=r"^(?!.*not).*listening on \d+",
        )

    def says(self, *lines: str, at_s: float | None = None) -> None:
        for line in lines:
            self.output.line(line, None if at_s is None else round(at_s * NS_PER_S))

    def events(self, kind: str) -> list[Event]:
        return [event for event in self.recorder.events if event.kind == kind]


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Output]:
    made = Output(tmp_path, Life(1, 2))
    yield made
    made.output.close()


async def test_a_traceback_is_an_error_of_its_life_at_the_instant_of_its_first_line(
    life: Output,
) -> None:
    life.says(*TRACEBACK, at_s=105)
    life.says("INFO:     done", at_s=109)

    (event,) = life.events("log.error")
    assert (event.source, event.life, event.mono_ns) == ("app", Life(1, 2), 105 * NS_PER_S)
    assert event.data["address"] == "tcp:127.0.0.1:5432"
    assert [link["errno"] for link in event.data["error"]] == [111]


async def test_an_error_at_the_end_of_a_life_is_recorded_when_it_ends(life: Output) -> None:
    life.says(*TRACEBACK)
    life.output.close()

    assert len(life.events("log.error")) == 1


async def test_an_error_is_recorded_without_waiting_for_the_end(life: Output) -> None:
    heard = asyncio.Event()
    life.recorder.subscribe(lambda event: heard.set() if event.kind == "log.error" else None)

    life.says(*TRACEBACK)
    await asyncio.wait_for(heard.wait(), 30)

    assert len(life.events("log.error")) == 1


PROGRAMS = {
    sys.executable: "import socket; socket.socket().connect(('127.0.0.1', 1))",
    "node": "require('net').connect(1, '127.0.0.1')",
}


@pytest.mark.parametrize("program", PROGRAMS)
async def test_what_a_process_prints_as_it_dies_is_its_error(life: Output, program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    with workspace() as space:
        child = process.start(
            [program, "-c" if program == sys.executable else "-e", PROGRAMS[program]],
            workspace=space,
            name="the app",
        )
        child.listen(life.output.line)
        async with asyncio.timeout(30):
            assert await child.exited == 1
            await child.drained()
    life.output.close()

    (event,) = life.events("log.error")
    assert [link["errno"] for link in event.data["error"]] == [errno.ECONNREFUSED]
    assert life.output.last_lines


async def test_a_traceback_that_is_cut_off_is_plain_output(life: Output) -> None:
    life.says(*FRAMES)
    life.output.close()

    assert [event.kind for event in life.recorder.events] == ["app.output"]


async def test_lines_that_became_events_are_kept_as_they_are(life: Output) -> None:
    lines = [*TRACEBACK, "INFO:     Application startup complete."]
    life.says(*lines)
    life.output.close()

    assert life.log.read_text().splitlines() == lines
    assert [event.data["text"] for event in life.events("app.output")] == ["\n".join(lines)]
    assert [event.data["says"] for event in life.events("log.server")] == ["startup_complete"]


async def test_the_control_life_has_its_events_too(tmp_path: Path) -> None:
    made = Output(tmp_path, CONTROL)
    made.says("INFO:     Shutting down")
    made.output.close()

    (event,) = made.events("log.server")
    assert event.life == CONTROL


async def test_an_app_that_imitates_an_event_is_still_the_app(life: Output) -> None:
    claims: list[dict[str, Any]] = [
        {"event": "log.error", "error": [{"type": "TimeoutError"}], "by": "python"},
        {"event": "control.ready", "after_s": 1},
        {"event": "phase.started", "source": "harness", "seq": 1},
    ]
    life.says(*(json.dumps({"mono_ns": 1, **claim}) for claim in claims))
    life.output.close()

    assert {event.source for event in life.recorder.events} == {"app"}
    assert {event.kind for event in life.recorder.events} == {"phase.started", "app.output"}


async def test_the_last_lines_are_bounded_and_have_no_secrets(life: Output) -> None:
    life.recorder.redactor.add("hunter2-and-more")
    life.says(*(f"line {n}" for n in range(100)), "x" * 5000, "it is hunter2-and-more")

    last = life.output.last_lines
    assert len(last) == LAST_LINES
    assert last[0] == f"line {100 - LAST_LINES + 2}"
    assert last[-2:] == ("x" * MAX_LAST_CHARS, "it is ***")


async def test_the_last_lines_are_those_after_the_log_was_cut_too(life: Output) -> None:
    for _ in range(MAX_LINES):
        life.says("{}")
    life.says("why it died", TRACEBACK[0])
    life.output.close()

    assert life.output.last_lines[-2:] == ("why it died", TRACEBACK[0])
    assert len(life.log.read_text().splitlines()) == MAX_LINES


@pytest.mark.parametrize("before", ["", "2026-11-27 INFO ", json.dumps({"event": "x"}) + " "])
async def test_a_line_that_matches_says_that_the_app_is_ready(life: Output, before: str) -> None:
    life.says(f"{before}not listening")
    assert not life.output.said_ready

    life.says(f"{before}listening on 80")
    assert life.output.said_ready


async def test_only_the_beginning_of_a_long_line_is_searched(life: Output) -> None:
    life.says("x" * MAX_MATCHED_CHARS + "listening on 80")

    assert not life.output.said_ready


async def test_a_structured_line_may_say_that_the_app_is_ready(life: Output) -> None:
    entry = {"event": "startup.completed", "mono_ns": time.monotonic_ns()}
    life.says(json.dumps({**entry, "message": "listening on 80"}))

    assert life.output.said_ready


async def test_lines_after_the_end_are_not_taken(life: Output) -> None:
    life.output.close()
    life.says("listening on 80")

    assert not life.output.said_ready
    assert (life.output.last_lines, life.recorder.events) == ((), [])
