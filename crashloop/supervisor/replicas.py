"""The replicas of a run, and the old revision beside them, on one platform."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from functools import partial
from typing import TYPE_CHECKING

from crashloop.supervisor.loop import ReplicaLoop
from crashloop.supervisor.prober import Prober

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from crashloop.clock import TimeScale
    from crashloop.model import Platform, Replicas
    from crashloop.supervisor.ask import RunCommand
    from crashloop.supervisor.life import BeforeRestart, LifeProcess, StartLife
    from crashloop.trace.recorder import Recorder


class Supervisor:
    """Runs the app's replicas: an `engines.base.ReplicaSet`.

    An error of one replica ends them all and is raised; so does a cancellation. Raises UsageError
    for a command probe without `run_command`. Of the old revision's instances, none waits for
    `before_restart`: they are started and ended by a fault, which would wait for itself.
    """

    def __init__(
        self,
        *,
        platform: Platform,
        replicas: Replicas,
        scale: TimeScale,
        recorder: Recorder,
        start: StartLife,
        seed: int,
        run_command: RunCommand | None = None,
        before_restart: BeforeRestart | None = None,
    ) -> None:
        self._replicas = replicas
        self._prober = Prober(
            platform=platform, scale=scale, recorder=recorder, run_command=run_command
        )
        self._loop = partial(
            ReplicaLoop,
            platform=platform,
            scale=scale,
            recorder=recorder,
            prober=self._prober,
            seed=seed,
        )
        self._new = [
            self._loop(replica=number, start=start, before_restart=before_restart)
            for number in range(1, replicas.count + 1)
        ]
        first = replicas.count + 1
        self._old_attempts: dict[int, Iterator[int]] = {
            number: itertools.count(1) for number in range(first, first + replicas.overlap)
        }
        self._is_stopped = False

    async def run(self) -> None:
        """Start each replica; return when each has given up, or `stop` was called."""
        self._prober.plan()
        async with asyncio.TaskGroup() as group:
            for index, loop in enumerate(self._new):
                group.create_task(loop.run(after_s=index * self._replicas.stagger_s))

    async def stop(self) -> None:
        """End the new revision's lives, and start nothing more; the old one ends with its fault."""
        self._is_stopped = True
        await _stop(self._new)

    @contextlib.asynccontextmanager
    async def old_revision(self, start: StartLife) -> AsyncIterator[list[LifeProcess]]:
        """Run the old revision's instances while this is entered, before or during `run`.

        Gives their processes as soon as each has started, and returns when each has ended. The
        platform restarts one that dies, as it restarts the new ones. Entered after `stop`, it
        starts nothing.
        """
        loops = [
            self._loop(replica=number, start=start, revision="old", attempts=attempts)
            for number, attempts in self._old_attempts.items()
            if not self._is_stopped
        ]
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(loop.run()) for loop in loops]
            try:
                for loop in loops:
                    await loop.started.wait()
                yield [loop.process for loop in loops if loop.process is not None]
            finally:
                await _stop(loops)
                # An error that is raised through here would cancel what still records their ends
                await asyncio.gather(*running, return_exceptions=True)


async def _stop(loops: Iterable[ReplicaLoop]) -> None:
    """Stop each, whatever becomes of the others; raises their errors as a group."""
    ended = await asyncio.gather(*(loop.stop() for loop in loops), return_exceptions=True)
    errors = [error for error in ended if isinstance(error, BaseException)]
    if errors:
        raise BaseExceptionGroup("replicas could not be stopped", errors)
