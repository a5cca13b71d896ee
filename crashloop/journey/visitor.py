"""The visitor of one replica: watches its port, and asks whether it is ready."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from crashloop.apps.answers import client_of, connect, readiness
from crashloop.journey.pause import pause
from crashloop.journey.step import User

if TYPE_CHECKING:
    import asyncio
    from contextlib import AbstractAsyncContextManager

    from crashloop.engines.base import Attempt
    from crashloop.model import AppUnderTest, Life
    from crashloop.trace.recorder import Recorder

LOOK_EVERY_S = 0.02
MAX_SAME_KIND = 50  # an answer may hold a time, and differ each time

Answered: TypeAlias = Callable[[dict[str, Any]], Awaitable[float]]
"""Takes an answer to whether the app is ready; seconds until the app is to be asked again."""


class Walk(Protocol):
    """What the user of a replica does: a patient journey, or tries of one."""

    finished: asyncio.Event
    over: asyncio.Event

    def visit(self, attempt: Attempt, user: User) -> AbstractAsyncContextManager[Answered]:
        """Be entered while a life is visited, and be given each answer."""


class Visitor:
    """Visits every life of a replica at its address.

    Emits `port.opened`, `port.watched`, and `ready.answered` at each change. It asks until the
    life has ended or the walk is `over`, also after the walk has `finished`. `query` asks a
    database directly.
    """

    def __init__(
        self,
        *,
        app: AppUnderTest,
        replica: int,
        walk: Walk,
        recorder: Recorder,
        query: Callable[[str, str], Awaitable[Any]],
    ) -> None:
        self.finished = walk.finished
        self.over = walk.over
        self._replica = replica
        self._walk = walk
        self._recorder = recorder
        self._query = query
        self._ready = app.ready
        self._same_kind = 0

    async def visit(self, attempt: Attempt) -> None:
        """Accompany one life until it has ended."""
        assert attempt.life.replica == self._replica
        probes, opened = 0, False
        try:
            if attempt.address is None:  # it ended before anybody knew its address
                await attempt.ended.wait()
                return
            while not opened and not attempt.ended.is_set():
                answer = await connect(attempt.address)
                opened = answer == 0
                probes += answer in {0, errno.ECONNREFUSED}
                if not opened:
                    await pause(attempt.ended, LOOK_EVERY_S)
            if opened:
                self._emit("port.opened", {"port": attempt.address[1]}, attempt.life)
                await self._use(attempt, attempt.address)
        finally:
            self._emit("port.watched", {"probes": probes, "opened": opened}, attempt.life)

    async def _use(self, attempt: Attempt, address: tuple[str, int]) -> None:
        life, last = attempt.life, None
        async with client_of(address) as client:
            user = User(client=client, address=address, query=self._query)
            async with self._walk.visit(attempt, user) as answered:
                while not attempt.ended.is_set() and not self.over.is_set():
                    answer = await readiness(
                        client, address, self._ready, said_so=attempt.said_ready
                    )
                    if self.over.is_set():  # an app that is being stopped says nothing
                        return
                    if answer != last:
                        self._answered(answer, last, life)
                        last = answer
                    await pause(attempt.ended, await answered(answer))

    def _answered(self, answer: dict[str, Any], before: dict[str, Any] | None, life: Life) -> None:
        """Record a new answer; one that differs in its words alone only so many times."""
        kinds = ("ready", "status_code")
        if before is not None and all(answer[kind] == before[kind] for kind in kinds):
            self._same_kind += 1
            if self._same_kind > MAX_SAME_KIND:
                return
        self._emit("ready.answered", answer, life)

    def _emit(self, kind: str, data: dict[str, Any], life: Life) -> None:
        self._recorder.emit("harness", kind, data, life=life)
