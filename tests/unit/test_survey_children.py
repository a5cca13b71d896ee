"""Runs as child processes: what they print, and that none is left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crashloop import child
from crashloop.survey.children import ask

if TYPE_CHECKING:
    from crashloop.survey.children import Answer

FAKE = (sys.executable, "-I", "-S", str(Path(__file__).parents[2] / "fixtures/fake_reproduce.py"))


async def asked(*words: str, bound_s: float = 30.0) -> tuple[Answer, list[str]]:
    lines: list[str] = []
    return await ask(words, bound_s=bound_s, on_line=lines.append, command=FAKE), lines


async def test_its_answer_is_the_json_that_it_printed_and_its_lines_come_as_they_are_said() -> None:
    answer, lines = await asked("say=attempt 1 died", "answer=SURVIVED")
    assert answer.document == {"outcome": "SURVIVED", "exit_status": 0}
    assert lines == ["attempt 1 died"]


@pytest.mark.parametrize("printed", ["", "[]", "{torn", "[" * 50_000])
async def test_a_child_without_a_result_is_an_error_with_its_last_line(printed: str) -> None:
    answer, _ = await asked(f"print={printed}", "say=MemoryError", "exit=3")
    assert answer.document["error"] == ("it ended with status 3 and printed no result: MemoryError")
    assert answer.document["exit_status"] == 3


async def test_a_line_of_any_length_is_read() -> None:
    answer, lines = await asked(*(f"say={'x' * 100_000}" for _ in range(2)), "answer=SURVIVED")
    assert answer.document["outcome"] == "SURVIVED"
    assert lines


async def test_a_child_that_takes_too_long_is_ended() -> None:
    answer, _ = await asked("say=starting", "wait", bound_s=0.3)
    assert answer.document["error"].startswith("it did not end within")


async def cancelled(*words: str) -> int:
    """Cancel the question once the child says its id; returns the id."""
    started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    command = (sys.executable, "-c", WITH_ITS_ID, *FAKE)
    asking = asyncio.create_task(
        ask(words, bound_s=30.0, on_line=started.set_result, command=command)
    )
    pid = int(await started)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    return pid


WITH_ITS_ID = """
import os, signal, sys
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(2, f"{os.getpid()}\\n".encode())
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.parametrize("words", [("wait",), ("stubborn", "wait", "sleep=60")])
async def test_a_cancelled_question_leaves_no_child(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "END_BOUND_S", 0.2)
    pid = await cancelled(*words)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
