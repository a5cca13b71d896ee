"""Signals end a run tidily, or at once when it does not end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from crashloop import interrupt
from crashloop.errors import HarnessError

STUBBORN = """
import asyncio, sys, time
from crashloop import interrupt
async def work():
    try:
        print("up", flush=True)
        await asyncio.sleep(60)
    finally:
        print("tidying", flush=True)
        {wait}
interrupt.run(work(), on_abandon=lambda n, status: print("abandoned", n.name, status, flush=True),
              bound_s={bound_s})
"""


def never(number: signal.Signals, status: int) -> None:
    pytest.fail(f"abandoned by {number.name} with {status}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_the_work_end_tidily(number: signal.Signals) -> None:
    tidied = []

    async def work() -> None:
        os.kill(os.getpid(), number)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            tidied.append(True)

    with pytest.raises(interrupt.Interrupted) as end:
        interrupt.run(work(), on_abandon=never)

    assert end.value.exit_status == 128 + number
    assert tidied == [True]


def test_work_that_ends_on_its_own_gives_its_result() -> None:
    async def work() -> int:
        return 42

    assert interrupt.run(work(), on_abandon=never) == 42


def test_an_error_of_the_work_is_raised_unchanged() -> None:
    async def work() -> None:
        raise HarnessError("broken")

    with pytest.raises(HarnessError, match="broken"):
        interrupt.run(work(), on_abandon=never)


def test_an_error_in_a_callback_ends_the_work_with_words() -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    async def work() -> None:
        asyncio.get_running_loop().call_soon(full)
        await asyncio.Event().wait()

    with pytest.raises(HarnessError, match="No space left on device"):
        interrupt.run(work(), on_abandon=never)


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:

        async def work() -> int:
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0)
            return 1

        assert interrupt.run(work(), on_abandon=never) == 1
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("wait", "bound_s", "signals"),
    [("time.sleep(60)", 0.2, ["SIGTERM"]), ("await asyncio.sleep(60)", 60, ["SIGINT", "SIGTERM"])],
    ids=["the bound", "a second signal"],
)
def test_work_that_does_not_end_is_abandoned_after(
    wait: str, bound_s: float, signals: list[str]
) -> None:
    code = STUBBORN.format(wait=wait, bound_s=bound_s)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None

    for name, said in zip(signals, ["up\n", "tidying\n"], strict=False):
        assert process.stdout.readline() == said
        process.send_signal(signal.Signals[name])
    out, _ = process.communicate(timeout=10)

    assert out.splitlines()[-1] == "abandoned SIGTERM 143"
    assert process.returncode == 143
