"""The old revision of the app, which serves beside the new one while a fault asks for it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Protocol

from crashloop.apps import with_knobs
from crashloop.apps.answers import client_of, readiness
from crashloop.errors import HarnessError
from crashloop.supervisor.life import LifeProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from crashloop.model import AppUnderTest, Life, Ready, Scenario
    from crashloop.supervisor.replicas import Supervisor
    from crashloop.trace.recorder import Recorder

ASK_EVERY_S = 0.05


class OldInstance(LifeProcess, Protocol):
    """A life of an old instance."""

    @property
    def life(self) -> Life:
        """Which life of which replica it is."""

    @property
    def said_ready(self) -> bool:
        """Whether a line of its output has matched `Ready.log`."""

    @property
    def exited(self) -> asyncio.Future[int]:
        """Its exit status, when it has ended."""


class OldRevision:
    """Runs the scenario's old instances on its platform.

    `sessions` counts what a life has in each Postgres now, as Postgres says; `without_sessions`
    waits until an ended life has no session in Postgres left.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        recorder: Recorder,
        supervisor: Callable[[], Supervisor],
        start: Callable[[AppUnderTest, Life], Awaitable[OldInstance]],
        sessions: Callable[[Life], Awaitable[Mapping[str, int]]],
        without_sessions: Callable[[Life], Awaitable[None]],
    ) -> None:
        self._app = with_knobs(scenario.app, scenario.replicas.old_knobs)
        self._recorder = recorder
        self._supervisor = supervisor
        self._sessions = sessions
        self._start = start
        self._without_sessions = without_sessions

    @contextlib.asynccontextmanager
    async def overlapping(self) -> AsyncIterator[Callable[[], Awaitable[Mapping[str, int]]]]:
        """While entered, the old instances run and are ready.

        Gives what counts the sessions that these hold now, as each Postgres says; those of an
        instance that was restarted meanwhile do not count. On leaving they have ended, and their
        sessions are gone from Postgres. Raises HarnessError if one is not ready within the
        time that the app has to start, or if its sessions stay.
        """
        started: list[OldInstance] = []

        async def start(life: Life) -> OldInstance:
            started.append(await self._start(self._app, life))
            return started[-1]

        async with self._supervisor().old_revision(start):
            await asyncio.gather(*(self._until_ready(each) for each in started))
            ready = [each.life for each in started]

            async def count() -> dict[str, int]:
                held = [await self._sessions(life) for life in ready]
                return {target: sum(each[target] for each in held) for target in held[0]}

            yield count
        for each in started:
            await self._without_sessions(each.life)

    async def _until_ready(self, old: OldInstance) -> None:
        """Wait until one instance is ready, and emit its answer; a port that opens says nothing."""
        within_s = self._app.ready.within_s
        try:
            async with asyncio.timeout(within_s):
                while not (answer := await _asked(old, self._app.ready))["ready"]:
                    if old.exited.done():
                        raise HarnessError(
                            f"the old revision's replica {old.life.replica} ended before it was "
                            "ready",
                            hint="its log is in the artifacts; does old_knobs let it start?",
                        )
                    await asyncio.sleep(ASK_EVERY_S)
                self._recorder.emit("harness", "ready.answered", answer, life=old.life)
        except TimeoutError:
            raise HarnessError(
                f"the old revision's replica {old.life.replica} was not ready within "
                f"{within_s:g} s",
                hint="its log is in the artifacts; is the app's `ready` right?",
            ) from None


async def _asked(old: OldInstance, ready: Ready) -> dict[str, Any]:
    """What an instance answers when it is asked once whether it is ready."""
    if old.address is None:
        return {"ready": False}
    async with client_of(old.address) as client:
        return await readiness(client, old.address, ready, said_so=old.said_ready)
