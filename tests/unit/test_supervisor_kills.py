"""What a failed probe does to a life: SIGTERM, the grace period, SIGKILL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from supervised import FAST, AppLife, RealLife, Run, serves

from crashloop.errors import UsageError
from crashloop.model import Life, Probe, ProbeKind
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    import signal

    from crashloop.model import Platform
    from crashloop.trace.event import Event

FIRST = Life(1, 1)
TCP = Probe(kind=ProbeKind.TCP, period_s=10.0, timeout_s=5000.0, failures=3)
HTTP = replace(TCP, kind=ProbeKind.HTTP, path="/")

SLEEPS = "import time; print(0, flush=True); time.sleep(60)"
IGNORES_SIGTERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"
SERVES_TWICE = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    served = 0
    while True:
        connection, _ = server.accept()
        with connection:
            if connection.recv(1000):
                served += 1
                status = "200 OK" if served < 3 else "500 No"
                connection.sendall(f"HTTP/1.1 {status}\\r\\n\\r\\n".encode())
"""


def failing(*, grace_s: float = 30.0) -> Platform:
    """Kubernetes with a start-up probe that never passes, as the lives have no address."""
    return replace(parse_platform("kubernetes"), startup=TCP, grace_s=grace_s)


async def first_of(run: Run, kind: str) -> list[Event]:
    """Run until the first life has ended; its events of a kind."""
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(run.supervisor.run())
        await run.seen("process.exited")
        await run.supervisor.stop()
    return [event for event in run.of(kind) if event.life == FIRST]


def running(code: str, platform: Platform) -> Run:
    """A run whose first life is a real process; the others do nothing."""

    async def start(_: Run, life: Life) -> AppLife | RealLife:
        return await RealLife.start(life, code) if life == FIRST else AppLife(life)

    return Run(start, platform=platform)


async def test_a_life_that_obeys_sigterm_gets_no_sigkill() -> None:
    run = running(SLEEPS, failing())
    (killed,) = await first_of(run, "process.killed")
    exited = run.of("process.exited")[0]

    assert killed.data["by"] == "startup probe"
    assert (killed.data["signal"], killed.data["grace_s"]) == ("SIGTERM", 30.0)
    assert (exited.data["signal"], exited.data["requested"]) == ("SIGTERM", False)
    assert killed.mono_ns < exited.mono_ns
    (failed,) = [e for e in run.of("probe.failed") if e.life == FIRST]
    assert failed.data["failures"] == 3


async def test_a_life_that_ignores_sigterm_gets_sigkill_after_the_grace_period() -> None:
    run = running(IGNORES_SIGTERM, failing(grace_s=10.0))
    term, kill = await first_of(run, "process.killed")

    assert (term.data["signal"], kill.data["signal"]) == ("SIGTERM", "SIGKILL")
    assert run.of("process.exited")[0].data["signal"] == "SIGKILL"
    # Shutting down is real work: its time is not divided to less than half a second.
    assert FAST.wall_s(10.0) < term.data["wall_s"] == 0.5
    assert (kill.mono_ns - term.mono_ns) / 1e9 >= 0.5


async def test_without_a_grace_period_sigkill_follows_at_once() -> None:
    run = running(IGNORES_SIGTERM, failing(grace_s=0.0))
    term, kill = await first_of(run, "process.killed")
    assert (term.data["signal"], kill.data["signal"]) == ("SIGTERM", "SIGKILL")
    assert term.data["wall_s"] == 0.0
    assert run.of("process.exited")[0].data["signal"] == "SIGKILL"


async def test_a_server_that_stops_serving_is_killed_by_its_liveness_probe() -> None:
    platform = replace(parse_platform("kubernetes"), startup=TCP, liveness=HTTP)
    run = running(SERVES_TWICE, platform)
    (killed,) = await first_of(run, "process.killed")

    assert killed.data["by"] == "liveness probe"
    passed = [e.data["probe"] for e in run.of("probe.passed") if e.life == FIRST]
    assert passed == ["startup", "liveness"]
    whys = [e.data["why"] for e in run.of("probe.result") if e.data["probe"] == "liveness"]
    assert whys[:4] == ["", "status 500", "status 500", "status 500"]


async def test_a_life_that_has_died_on_its_own_is_not_called_killed() -> None:
    """Its output may still arrive while the probe fails."""

    class Draining(AppLife):
        async def signal(self, number: signal.Signals) -> bool:
            del number
            self.end(3)
            return False

    async def start(_: Run, life: Life) -> AppLife:
        return Draining(life)

    run = Run(start, platform=failing())
    assert await first_of(run, "process.killed") == []
    assert run.of("process.exited")[0].data["exit_code"] == 3


async def test_a_kill_is_recorded_before_the_exit_however_slowly_the_signal_returns() -> None:
    class Slow(AppLife):
        async def signal(self, number: signal.Signals) -> bool:
            sent = await super().signal(number)
            for _ in range(100):
                await asyncio.sleep(0)
            return sent

    async def start(_: Run, life: Life) -> AppLife:
        return Slow(life)

    run = Run(start, platform=failing())
    (killed,) = await first_of(run, "process.killed")
    assert killed.seq < run.of("process.exited")[0].seq


async def test_a_stop_during_the_grace_period_ends_the_life_at_once() -> None:
    class Deaf(AppLife):
        async def signal(self, number: signal.Signals) -> bool:
            del number
            return True

    async def start(_: Run, life: Life) -> AppLife:
        return Deaf(life)

    run = Run(start, platform=failing(grace_s=1e6))
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(run.supervisor.run())
        await run.seen("process.killed")
        await run.supervisor.stop()
    assert [e.data["signal"] for e in run.of("process.killed")] == ["SIGTERM"]
    assert run.of("process.exited")[0].data["requested"] is True


async def test_no_probe_outlives_its_life() -> None:
    run = Run(serves, platform=replace(failing(), startup=replace(TCP, failures=10**6)))
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(run.supervisor.run())
        await run.seen("probe.result", 3)
        await run.supervisor.stop()
    assert run.recorder.events[-1].kind == "process.exited"
    assert len(asyncio.all_tasks()) == 1


async def test_each_probe_is_planned_once_for_all_lives() -> None:
    run = running(SLEEPS, replace(failing(), readiness=HTTP))
    await first_of(run, "process.killed")
    assert [e.data["probe"] for e in run.of("probe.planned")] == ["startup", "readiness"]


def test_a_command_probe_that_cannot_be_run_is_refused_before_any_start() -> None:
    probe = Probe(kind=ProbeKind.COMMAND, command=("true",))
    with pytest.raises(UsageError, match="the liveness probe runs a command"):
        Run(serves, platform=replace(parse_platform("kubernetes"), liveness=probe))
