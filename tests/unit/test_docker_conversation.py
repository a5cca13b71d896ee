"""Questions and answers with a program in a container, over Docker's multiplexed stream."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import TYPE_CHECKING, Any

import pytest

from crashloop.engines.docker.conversation import TAIL_LINES, Conversation
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Iterator

STDOUT, STDERR = 1, 2
BOUND_S = 10.0


class Program:
    """The other end: hears lines, and speaks in frames as Docker multiplexes them."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._heard = end.makefile("rb")

    async def hears(self) -> Any:
        """The next question."""
        return json.loads(await asyncio.to_thread(self._heard.readline))

    def says(self, what: object) -> None:
        """A line of JSON."""
        self.writes(json.dumps(what).encode() + b"\n")

    def writes(self, raw: bytes, *, stream: int = STDOUT) -> None:
        """One frame."""
        self._end.sendall(struct.pack(">BxxxL", stream, len(raw)) + raw)

    def ends(self) -> None:
        """Its output is at its end."""
        self._end.shutdown(socket.SHUT_WR)

    def is_hung_up_on(self) -> bool:
        """Whether its input has ended; waits for that."""
        return self._heard.readline() == b""

    def close(self) -> None:
        self._heard.close()
        self._end.close()


class Talk:
    """A conversation with a program, and what else it said."""

    def __init__(self, ours: socket.socket, program: Program) -> None:
        self.program = program
        self.lines: list[Any] = []
        self.said = asyncio.Event()
        reader = ours.makefile("rb", buffering=0)  # what the SDK gives: it has the real one inside
        self.conversation = Conversation(reader, name="the lamp", on_line=self._on_line)

    def ask(self, what: object, *, deadline_s: float = BOUND_S) -> asyncio.Task[Any]:
        asking = self.conversation.ask({"do": what}, deadline_s=deadline_s)
        return asyncio.create_task(asking)

    def _on_line(self, line: Any) -> None:
        self.lines.append(line)
        self.said.set()


@pytest.fixture
def talk() -> Iterator[Talk]:
    ours, theirs = socket.socketpair()
    made = Talk(ours, Program(theirs))
    yield made
    if ours.fileno() != -1:
        made.conversation.close()
    made.program.close()
    assert ours.fileno() == -1


@pytest.fixture
async def begun(talk: Talk) -> Talk:
    talk.conversation.begin()
    return talk


async def test_a_question_is_a_line_of_json_and_gets_its_answer(begun: Talk) -> None:
    asking = begun.ask("light")

    assert await begun.program.hears() == {"do": "light"}
    begun.program.says({"answer": {"lit": True}})
    assert await asking == {"lit": True}


async def test_answers_belong_to_the_questions_in_their_order(begun: Talk) -> None:
    first = begun.ask(1)
    await begun.program.hears()
    second = begun.ask(2)
    await begun.program.hears()

    begun.program.says({"answer": "one"})
    begun.program.says({"answer": "two"})

    assert (await first, await second) == ("one", "two")


async def test_an_answer_may_be_nothing(begun: Talk) -> None:
    asking = begun.ask("light")
    await begun.program.hears()

    begun.program.says({"answer": None})

    assert await asking is None


async def test_a_line_may_be_cut_into_frames_anywhere(begun: Talk) -> None:
    asking = begun.ask("light")
    await begun.program.hears()

    for byte in b'{"answer": "\xc3\xa9"}\n':
        begun.program.writes(bytes([byte]))

    assert await asking == "é"


async def test_a_frame_may_have_several_lines(begun: Talk) -> None:
    asking = begun.ask("light")
    await begun.program.hears()

    begun.program.writes(b'{"kind": "a"}\n{"kind": "b"}\n{"answer": 1}\n{"kind')

    assert await asking == 1
    assert begun.lines == [{"kind": "a"}, {"kind": "b"}]


async def test_a_line_without_an_answer_answers_no_question(begun: Talk) -> None:
    asking = begun.ask("light")
    await begun.program.hears()

    begun.program.says({"kind": "seen", "data": {"answer": "not this"}})
    begun.program.says({"answer": "this"})

    assert await asking == "this"
    assert begun.lines == [{"kind": "seen", "data": {"answer": "not this"}}]


async def test_an_answer_without_a_question_is_ignored(begun: Talk) -> None:
    begun.program.says({"answer": "early"})
    begun.program.says({"kind": "after it"})
    await begun.said.wait()

    asking = begun.ask("light")
    await begun.program.hears()
    begun.program.says({"answer": "mine"})

    assert await asking == "mine"


async def test_the_end_of_the_program_fails_every_open_question(begun: Talk) -> None:
    asking = [begun.ask(1), begun.ask(2)]
    for _ in asking:
        await begun.program.hears()

    begun.program.ends()

    for each in asking:
        with pytest.raises(HarnessError, match="the lamp ended without an answer"):
            await each


async def test_its_last_lines_are_reported_when_it_ends(begun: Talk) -> None:
    asking = begun.ask("light")
    await begun.program.hears()
    begun.program.writes(b"Traceback:\n  no lamp\n", stream=STDERR)
    begun.program.writes(b"this is no JSON\n")

    begun.program.ends()

    with pytest.raises(HarnessError) as failed:
        await asking
    for words in ("    Traceback:", "      no lamp", "    this is no JSON"):
        assert words in failed.value.message.splitlines()


async def test_its_errors_are_kept_as_text_and_answer_nothing(begun: Talk) -> None:
    asking = begun.ask("light")
    await begun.program.hears()

    begun.program.writes(b'{"answer": "an error"}\n', stream=STDERR)
    begun.program.says({"answer": "mine"})

    assert await asking == "mine"


async def test_only_its_last_lines_are_kept(begun: Talk) -> None:
    asking = begun.ask("light")
    await begun.program.hears()
    begun.program.writes("".join(f"word {n}\n" for n in range(100)).encode(), stream=STDERR)

    begun.program.ends()

    with pytest.raises(HarnessError) as failed:
        await asking
    assert "word 99" in failed.value.message
    assert failed.value.message.count("word ") == TAIL_LINES


async def test_a_program_that_is_silent_until_the_deadline_is_named(begun: Talk) -> None:
    with pytest.raises(HarnessError) as late:
        await begun.ask("light", deadline_s=0.01)

    assert late.value.message == (
        "the lamp did not answer within 0.01 s; its last lines:\n    (none)"
    )
    assert late.value.hint


async def test_an_answer_that_comes_too_late_is_not_the_next_ones(begun: Talk) -> None:
    with pytest.raises(HarnessError):
        await begun.ask("first", deadline_s=0.01)
    asking = begun.ask("second")
    await begun.program.hears()
    await begun.program.hears()

    begun.program.says({"answer": "to the first"})
    begun.program.says({"answer": "to the second"})

    assert await asking == "to the second"


async def test_a_program_that_cannot_be_written_to_could_not_be_asked(talk: Talk) -> None:
    talk.program.close()

    with pytest.raises(HarnessError, match="the lamp could not be asked: Broken pipe"):
        await talk.ask("light")


async def test_a_question_may_be_asked_before_the_program_has_started(begun: Talk) -> None:
    begun.program.writes(b"starting\n", stream=STDERR)
    asking = begun.ask("light")

    begun.program.says({"answer": "at last"})

    assert await asking == "at last"


async def test_closing_ends_the_connection_and_the_reader(begun: Talk) -> None:
    begun.conversation.close()

    assert begun.program.is_hung_up_on()
    assert begun.conversation._thread is not None
    assert not begun.conversation._thread.is_alive()


@pytest.mark.parametrize("rubbish", [b"5", b'"the answer"', b"[1]", b"[" * 100_000])
async def test_a_line_that_is_not_an_object_is_kept_as_text_and_answers_nothing(
    begun: Talk, rubbish: bytes
) -> None:
    asking = begun.ask("light")
    await begun.program.hears()

    begun.program.writes(rubbish + b"\n")
    begun.program.says({"answer": "on"})

    assert await asking == "on"


async def test_a_question_after_the_programs_end_fails_at_once(begun: Talk) -> None:
    asking = begun.ask("light")
    begun.program.writes(b"its last words")
    begun.program.ends()
    with pytest.raises(HarnessError, match="its last words"):
        await asking

    with pytest.raises(HarnessError, match="ended without an answer"):
        await begun.ask("again")


async def test_a_second_close_does_nothing(begun: Talk) -> None:
    begun.conversation.close()
    begun.conversation.close()

    assert begun.program.is_hung_up_on()
