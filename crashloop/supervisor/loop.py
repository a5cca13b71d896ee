"""Run one replica: start it, probe it, wait for its exit, ask the platform, repeat."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import signal
import time
from typing import TYPE_CHECKING, Any, Literal

from crashloop.clock import NS_PER_S, TimeScale
from crashloop.model import Life
from crashloop.platforms import step_of
from crashloop.platforms.base import Exit, State
from crashloop.supervisor.waits import Waits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.model import Platform
    from crashloop.platforms.probes import Purpose
    from crashloop.supervisor.life import BeforeRestart, LifeProcess, StartLife
    from crashloop.supervisor.prober import Prober
    from crashloop.trace.recorder import Recorder

Revision = Literal["new", "old"]

# Shutting down is real work, which no time scale makes faster.
MIN_GRACE_S = 0.5


class ReplicaLoop:
    """Runs one replica on a platform until `stop` is called or the platform gives up.

    Emits `process.started` (`held_s`: how many wall seconds `before_restart` held it back once the
    back-off was over, if it did), `process.killed`, `process.exited` (`exit_code` or `signal`,
    `run_s` in wall seconds, `run_incident_s`: its waits scaled back, its real work as it was),
    `restart.scheduled` and `restart.gave_up`. `attempts` numbers its lives. The n-th draw of a
    replica's platform depends on `seed` alone. If `run` is cancelled or fails, the life that runs
    is ended.

    What `before_restart` takes is the harness' own time: the platform's model does not count it.
    """

    def __init__(
        self,
        *,
        replica: int,
        platform: Platform,
        scale: TimeScale,
        recorder: Recorder,
        start: StartLife,
        prober: Prober,
        seed: int,
        revision: Revision = "new",
        attempts: Iterator[int] | None = None,
        before_restart: BeforeRestart | None = None,
    ) -> None:
        self.process: LifeProcess | None = None
        self.started = asyncio.Event()
        self._replica = replica
        self._platform = platform
        self._scale = scale
        self._recorder = recorder
        self._start = start
        self._prober = prober
        self._revision = revision
        self._attempts = itertools.count(1) if attempts is None else attempts
        self._before_restart = before_restart
        self._draws = random.Random(f"restarts {seed} {replica}")  # noqa: S311  repeatable
        self._age_s = 0.0
        self._stop = asyncio.Event()
        self._probing: asyncio.Task[None] | None = None

    async def run(self, *, after_s: float = 0.0) -> None:
        """Begin `after_s` seconds of the incident from now; return when it has ended for good."""
        step = step_of(self._platform)
        state = State()
        backoff_s = after_s
        life: Life | None = None
        try:
            while not await self._stopped_within(self._scale.wall_s(backoff_s)):
                held_s = await self._held_s(life, backoff_s) if life else None
                if self._stop.is_set():
                    return
                life = Life(self._replica, next(self._attempts))
                ended = await self._live(life, held_s)
                if self._stop.is_set():
                    return
                state, decision = step(state, ended)
                if not decision.restart:
                    self._emit("restart.gave_up", life, reason=decision.reason)
                    return
                backoff_s = decision.backoff_s
                self._age_s += backoff_s
                self._emit(
                    "restart.scheduled",
                    life,
                    platform=self._platform.name,
                    policy=self._platform.restart.name,
                    backoff_s=backoff_s,
                    wall_s=self._scale.wall_s(backoff_s),
                    reason=decision.reason,
                )
        finally:
            self.started.set()

    async def stop(self) -> None:
        """End the life that runs, or that is being started, and do not restart it."""
        self._stop.set()
        if self._probing is not None:
            self._probing.cancel()
        if self.process is not None:
            await self.process.stop()

    async def _stopped_within(self, wall_s: float) -> bool:
        """Wait; whether it was stopped meanwhile."""
        try:
            async with asyncio.timeout(wall_s):
                await self._stop.wait()
        except TimeoutError:
            return False
        return True

    async def _held_s(self, died: Life, backoff_s: float) -> float | None:
        """Wait for `before_restart`, or to be stopped; how long that held the start back, if so."""
        if self._before_restart is None:
            return None
        begun_ns = time.monotonic_ns()
        waiting = asyncio.ensure_future(self._before_restart(died, backoff_s))
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            if not waiting.done():
                waiting.cancel()
        if self._stop.is_set() or not waiting.result():
            return None
        return (time.monotonic_ns() - begun_ns) / NS_PER_S

    async def _live(self, life: Life, held_s: float | None = None) -> Exit:
        started_ns = time.monotonic_ns()
        waits = Waits(life)
        self._recorder.subscribe(waits.event)
        try:
            process = await self._start(life)
            try:
                self.process = process
                self._emit(
                    "process.started",
                    life,
                    mono_ns=started_ns,
                    pid=process.pid,
                    revision=self._revision,
                    **({} if held_s is None else {"held_s": round(held_s, 6)}),
                )
                self.started.set()
                status = await self._until_exit(process, life, started_ns)
            except BaseException:
                await process.stop()
                raise
            finally:
                self.process = None
        finally:
            self._recorder.unsubscribe(waits.event)
        exited_ns = time.monotonic_ns()
        run_s = (exited_ns - started_ns) / NS_PER_S
        waited_s = waits.waited_s(run_s=run_s, exited_ns=exited_ns)
        incident_s = run_s - waited_s + self._scale.incident_s(waited_s)
        self._emit(
            "process.exited",
            life,
            mono_ns=exited_ns,
            pid=process.pid,
            **status_fields(status),
            run_s=round(run_s, 6),
            run_incident_s=round(incident_s, 3),
            requested=self._stop.is_set(),
        )
        self._age_s += incident_s
        draw = self._draws.random()
        return Exit(status=status, run_s=incident_s, at_s=self._age_s, draw=draw)

    async def _until_exit(self, process: LifeProcess, life: Life, started_ns: int) -> int:
        """Probe and kill a life until it has ended; its exit status."""
        if self._stop.is_set():
            await process.stop()
            return await process.wait()

        exited = asyncio.Event()

        def kill(purpose: Purpose) -> None:
            group.create_task(self._kill(process, life, purpose, exited))

        async with asyncio.TaskGroup() as group:
            self._probing = group.create_task(self._prober.watch(process, life, started_ns, kill))
            status = await process.wait()
            exited.set()
            self._probing.cancel()
        self._probing = None
        return status

    async def _kill(
        self, process: LifeProcess, life: Life, purpose: Purpose, exited: asyncio.Event
    ) -> None:
        """SIGTERM, and SIGKILL after the grace period.

        Nothing is recorded of a signal that came too late.
        """
        grace_s = self._platform.grace_s
        wall_s = max(self._scale.wall_s(grace_s), MIN_GRACE_S) if grace_s else 0.0
        for number, wait_s in ((signal.SIGTERM, wall_s), (signal.SIGKILL, 0.0)):
            sent_ns = time.monotonic_ns()
            if not await process.signal(number):
                return
            self._emit(
                "process.killed",
                life,
                mono_ns=sent_ns,
                by=f"{purpose} probe",
                signal=number.name,
                grace_s=grace_s,
                wall_s=wall_s,
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await exited.wait()
            if exited.is_set():
                return

    def _emit(self, kind: str, life: Life, *, mono_ns: int | None = None, **data: Any) -> None:
        self._recorder.emit("supervisor", kind, data, life=life, mono_ns=mono_ns)


def status_fields(status: int) -> dict[str, object]:
    """An exit status in the fields of an event: `exit_code`, or `signal` by its name."""
    if status >= 0:
        return {"exit_code": status}
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = str(-status)
    return {"signal": name, "exit_code": None}
