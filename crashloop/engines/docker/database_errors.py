"""Errors in the log of a Postgres in a container, as events with the life of their client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from crashloop.engines.docker.capability import POSTGRES
from crashloop.engines.postgres_log import ErrorLog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from crashloop.engines.docker.path_events import PathEvents
    from crashloop.trace.recorder import Recorder


class DatabaseErrors:
    """Records the events of errors in the log, but for those of the harness.

    `settle` waits until `path` has been told of all links.
    """

    def __init__(
        self, recorder: Recorder, path: PathEvents, *, settle: Callable[[], Awaitable[object]]
    ) -> None:
        self._recorder = recorder
        self._path = path
        self._settle = settle
        self._log = ErrorLog(self._on_error)
        self._recording: set[asyncio.Future[None]] = set()
        self._at_ns = 0
        self._closed = False

    def line(self, text: str, at_ns: int) -> None:
        """Take the next line of the log, written at `at_ns` of the monotonic clock."""
        self._at_ns = at_ns
        self._log.line(text)

    async def settle(self) -> None:
        """Wait until the errors of all lines so far are recorded; raises what `settle` raised."""
        await asyncio.gather(*self._recording)

    async def close(self) -> None:
        """Record nothing more: what the servers log while they are removed is not of the run."""
        self._closed = True
        for each in self._recording:
            each.cancel()
        await asyncio.gather(*self._recording, return_exceptions=True)

    def _on_error(self, kind: str, data: Mapping[str, Any]) -> None:
        if self._closed:
            return
        self._recording.add(asyncio.ensure_future(self._record(kind, data, self._at_ns)))

    async def _record(self, kind: str, data: Mapping[str, Any], at_ns: int) -> None:
        life = None
        if client := data.get("client"):
            await self._settle()
            if not self._path.knows(client):
                return
            life = self._path.owner(client)
        self._recorder.emit("database", kind, data, life=life, target=POSTGRES, mono_ns=at_ns)
