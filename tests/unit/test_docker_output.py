"""What the app says, with instants that Docker's log gives."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

import pytest
from docker_cases import NS_PER_S, recorder

from crashloop.engines.output import AppOutput
from crashloop.model import Life

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.trace.event import Event

BEGUN_NS = 100 * NS_PER_S


class Output:
    """The output of a life that began at 100 s; `recorded` are the events that it became."""

    def __init__(self, folder: Path) -> None:
        self.recorder = recorder()
        self.log = folder / "attempt-2.log"
        self.output = AppOutput(self.recorder, life=Life(1, 2), path=self.log, started_ns=BEGUN_NS)

    def says(self, text: str, *, at_s: float | None = None) -> None:
        self.output.line(text, None if at_s is None else round(at_s * NS_PER_S))

    def says_event(self, *, said_s: float, heard_s: float | None) -> None:
        mono_ns = round(said_s * NS_PER_S)
        self.says(json.dumps({"event": "phase.started", "mono_ns": mono_ns}), at_s=heard_s)

    @property
    def recorded(self) -> list[Event]:
        return self.recorder.events

    @property
    def instants_s(self) -> list[float]:
        return [event.mono_ns / NS_PER_S for event in self.recorded]


@pytest.fixture
def life(tmp_path: Path) -> Output:
    return Output(tmp_path)


async def test_lines_that_come_together_are_one_event(life: Output) -> None:
    for line in ("Traceback:", "  File", "ValueError"):
        life.says(line, at_s=105)
    life.output.close()

    (event,) = life.recorded
    assert (event.source, event.kind, event.attempt) == ("app", "app.output", 2)
    assert event.data == {"lines": 3, "text": "Traceback:\n  File\nValueError"}


async def test_a_burst_is_recorded_at_the_instant_that_was_given(life: Output) -> None:
    life.says("Traceback:", at_s=105)
    life.output.close()

    assert life.instants_s == [105]


async def test_a_burst_without_an_instant_is_recorded_now(life: Output) -> None:
    before_ns = time.monotonic_ns()
    life.says("Traceback:")
    life.output.close()

    assert before_ns <= life.recorded[0].mono_ns <= time.monotonic_ns()


async def test_a_later_burst_has_its_own_instant(life: Output) -> None:
    life.says("one", at_s=105)
    life.says_event(said_s=106, heard_s=106)
    life.says("two", at_s=107)
    life.output.close()

    assert life.instants_s == [105, 106, 107]


async def test_a_burst_is_recorded_without_waiting_for_the_end(life: Output) -> None:
    heard = asyncio.Event()
    life.recorder.subscribe(lambda _: heard.set())

    life.says("hello", at_s=105)
    await heard.wait()
    life.output.close()

    assert [event.data["text"] for event in life.recorded] == ["hello"]


async def test_a_structured_line_is_recorded_after_the_lines_before_it(life: Output) -> None:
    life.says("first", at_s=105)
    life.says_event(said_s=106, heard_s=107)

    assert [event.kind for event in life.recorded] == ["app.output", "phase.started"]
    life.output.close()


async def test_a_structured_lines_own_instant_is_believed_inside_its_life(life: Output) -> None:
    life.says_event(said_s=104, heard_s=105)
    life.output.close()

    assert life.instants_s == [104]


@pytest.mark.parametrize("said_s", [100, 105])
async def test_the_first_and_the_last_instant_are_inside(life: Output, said_s: float) -> None:
    life.says_event(said_s=said_s, heard_s=105)
    life.output.close()

    assert life.instants_s == [said_s]


@pytest.mark.parametrize("said_s", [99.9, 105.1, -1, 0, 1e9])
async def test_an_instant_outside_its_life_is_not_believed(life: Output, said_s: float) -> None:
    life.says_event(said_s=said_s, heard_s=105)
    life.output.close()

    assert life.instants_s == [105]


async def test_without_dockers_instant_a_line_is_recorded_now(life: Output) -> None:
    later_s = time.monotonic() + 3600
    before_ns = time.monotonic_ns()

    life.says_event(said_s=later_s, heard_s=None)
    life.output.close()

    assert before_ns <= life.recorded[0].mono_ns <= time.monotonic_ns()


async def test_the_attempts_log_has_every_line_in_its_order(life: Output) -> None:
    life.says("one", at_s=105)
    life.says_event(said_s=106, heard_s=106)
    life.says("two", at_s=107)
    life.output.close()

    lines = life.log.read_text().splitlines()
    assert (lines[0], lines[2], len(lines)) == ("one", "two", 3)
