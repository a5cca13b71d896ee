"""Probes each life on its platform's schedule, and records what that says."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, TypeAlias

from crashloop.clock import NS_PER_S
from crashloop.errors import UsageError
from crashloop.model import ProbeKind
from crashloop.platforms.probes import (
    Action,
    ProbeState,
    Purpose,
    first_age_s,
    is_news,
    probes_of,
    step,
)
from crashloop.supervisor.ask import ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.clock import TimeScale
    from crashloop.model import Life, Platform, Probe
    from crashloop.supervisor.ask import RunCommand
    from crashloop.supervisor.life import LifeProcess
    from crashloop.trace.recorder import Recorder

    Kill: TypeAlias = Callable[[Purpose], None]

# An answer is real work of the app, which no time scale makes faster.
MIN_TIMEOUT_S = 0.5


class Prober:
    """Probes the lives of a run on `platform`; the incident's times are scaled.

    Emits `probe.planned` once for each probe. For each life: `probe.result` for each change and
    each failure up to the threshold, `probe.passed` for the first pass of a probe, `probe.failed`
    at the threshold. Raises UsageError for a command probe without `run_command`.
    """

    def __init__(
        self,
        *,
        platform: Platform,
        scale: TimeScale,
        recorder: Recorder,
        run_command: RunCommand | None = None,
    ) -> None:
        self._probes = probes_of(platform)
        self._scale = scale
        self._recorder = recorder
        self._run_command = run_command
        for purpose, probe in self._probes.items():
            if probe.kind is ProbeKind.COMMAND and run_command is None:
                raise UsageError(
                    f"the {purpose} probe runs a command, which this engine cannot do",
                    hint="use a tcp or an http probe, or another engine",
                )

    def plan(self) -> None:
        """Emit which probes there are, and their times in wall seconds."""
        for purpose, probe in self._probes.items():
            self._emit(
                "probe.planned",
                purpose,
                kind=probe.kind,
                delay_wall_s=self._scale.wall_s(probe.delay_s),
                period_wall_s=self._scale.wall_s(probe.period_s),
                timeout_wall_s=self._timeout_s(probe),
                failures=probe.failures,
            )

    async def watch(self, process: LifeProcess, life: Life, started_ns: int, kill: Kill) -> None:
        """Probe a life that was started at `started_ns` until this is cancelled.

        `kill` is called with the purpose of a probe that wants the life ended. Until the start-up
        probe has passed, no other probe runs.
        """
        if not self._probes:
            return
        started = asyncio.Event()
        if Purpose.STARTUP not in self._probes:
            started.set()

        async def repeat(purpose: Purpose, probe: Probe) -> None:
            if purpose is not Purpose.STARTUP:
                await started.wait()
            action = await self._repeat(purpose, probe, process, life, started_ns)
            if action is Action.KILL:
                kill(purpose)
            else:
                started.set()

        async with asyncio.TaskGroup() as group:
            for purpose, probe in self._probes.items():
                group.create_task(repeat(purpose, probe))

    async def _repeat(
        self, purpose: Purpose, probe: Probe, process: LifeProcess, life: Life, started_ns: int
    ) -> Action:
        """Execute one probe until it wants the life ended, or the start-up probe has passed."""
        started_s = started_ns / NS_PER_S
        age_s = self._scale.incident_s(time.monotonic() - started_s)
        due_s = started_s + self._scale.wall_s(first_age_s(purpose, probe, age_s=age_s))
        state = ProbeState()
        while True:
            await asyncio.sleep(max(due_s - time.monotonic(), 0.0))
            why = await ask(
                probe, process, timeout_s=self._timeout_s(probe), run_command=self._run_command
            )
            before = state
            state, action = step(purpose, probe, before, ok=not why)
            if is_news(probe, before, state):
                self._emit(
                    "probe.result", purpose, life, ok=not why, failures=state.failures, why=why
                )
            after_s = round((time.monotonic_ns() - started_ns) / NS_PER_S, 6)
            match action:
                case Action.PASSED:
                    self._emit("probe.passed", purpose, life, after_s=after_s)
                    if purpose is Purpose.STARTUP:
                        return action
                case Action.FAILED | Action.KILL:
                    self._emit(
                        "probe.failed", purpose, life, failures=state.failures, after_s=after_s
                    )
                    if action is Action.KILL:
                        return action
            due_s = max(due_s + self._scale.wall_s(probe.period_s), time.monotonic())

    def _timeout_s(self, probe: Probe) -> float:
        return max(self._scale.wall_s(probe.timeout_s), MIN_TIMEOUT_S)

    def _emit(self, event: str, purpose: Purpose, life: Life | None = None, **data: Any) -> None:
        self._recorder.emit("supervisor", event, {"probe": purpose, **data}, life=life)
