"""The loop that restarts a process: start, wait for its exit, ask the policy, repeat."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING, Protocol

from crashloop.checks.lines import seconds
from crashloop.clock import NS_PER_S, TimeScale
from crashloop.supervisor.policy import Exit, decide

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from crashloop.model import RestartPolicy
    from crashloop.trace.recorder import Recorder


class AttemptProcess(Protocol):
    """One process life of the app, as an engine offers it."""

    @property
    def pid(self) -> int:
        """The process id on this machine."""

    async def wait(self) -> int:
        """Its exit status once its output is read to the end: a code, or minus a signal."""

    async def stop(self) -> None:
        """Ask it to end, and make it end; bounded."""


class Supervisor:
    """Runs attempts under a restart policy until `stop` is called or the policy gives up.

    Emits `process.started`, `process.exited` (`exit_code` or `signal`, `run_s` in wall seconds,
    `run_incident_s`: its waits scaled back, its real work as it was), `restart.scheduled` and
    `restart.gave_up`.
    """

    def __init__(
        self,
        *,
        policy: RestartPolicy,
        scale: TimeScale,
        recorder: Recorder,
        start: Callable[[int], Awaitable[AttemptProcess]],
    ) -> None:
        self._policy = policy
        self._scale = scale
        self._recorder = recorder
        self._start = start
        self._stop = asyncio.Event()
        self._current: AttemptProcess | None = None

    async def run(self) -> None:
        """Return when the policy gives up or `stop` was called."""
        exits: list[Exit] = []
        attempt = 0
        while not self._stop.is_set():
            attempt += 1
            exits.append(await self._one(attempt))
            if self._stop.is_set():
                return
            if not await self._restart_after(exits, attempt):
                return

    async def stop(self) -> None:
        """End the attempt that runs, or that is being started, and do not restart it."""
        self._stop.set()
        if self._current is not None:
            await self._current.stop()

    async def _restart_after(self, exits: list[Exit], attempt: int) -> bool:
        decision = decide(self._policy, exits)
        if not decision.restart:
            self._recorder.emit(
                "supervisor", "restart.gave_up", {"reason": decision.reason}, attempt=attempt
            )
            return False
        wall_s = self._scale.wall_s(decision.backoff_s)
        self._recorder.emit(
            "supervisor",
            "restart.scheduled",
            {
                "policy": self._policy.name,
                "backoff_s": decision.backoff_s,
                "wall_s": wall_s,
                "reason": decision.reason,
            },
            attempt=attempt,
        )
        try:
            async with asyncio.timeout(wall_s):
                await self._stop.wait()
        except TimeoutError:
            return True
        return False

    async def _one(self, attempt: int) -> Exit:
        started_ns = time.monotonic_ns()
        process = await self._start(attempt)
        self._current = process
        self._recorder.emit(
            "supervisor",
            "process.started",
            {"pid": process.pid},
            attempt=attempt,
            mono_ns=started_ns,
        )
        try:
            if self._stop.is_set():
                await process.stop()
            status = await process.wait()
        finally:
            self._current = None
        exited_ns = time.monotonic_ns()
        run_s = (exited_ns - started_ns) / NS_PER_S
        incident_s = self._incident_s(run_s, attempt)
        self._recorder.emit(
            "supervisor",
            "process.exited",
            {
                "pid": process.pid,
                **_status_fields(status),
                "run_s": round(run_s, 6),
                "run_incident_s": round(incident_s, 3),
                "requested": self._stop.is_set(),
            },
            attempt=attempt,
            mono_ns=exited_ns,
        )
        return Exit(status=status, run_s=incident_s)

    def _incident_s(self, run_s: float, attempt: int) -> float:
        """How long this life would have been in the incident: waits scaled, real work as it is.

        What a failed phase waited is the incident's time; process start and imports are not, and
        counting them twenty-fold would let every life pass Docker's 10 s.
        """
        waited_s = sum(
            seconds(event.data, "duration_s") or 0.0
            for event in self._recorder.events
            if event.attempt == attempt and event.kind in {"phase.failed", "phase.degraded"}
        )
        waited_s = min(max(waited_s, 0.0), run_s)
        return run_s - waited_s + self._scale.incident_s(waited_s)


def _status_fields(status: int) -> dict[str, object]:
    if status >= 0:
        return {"exit_code": status}
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = str(-status)
    return {"signal": name, "exit_code": None}
