"""Degraded start: serve without the database while it is away, and catch up when it is back."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING

from app_under_test.failure import (
    DatabaseAwayError,
    QueueFullError,
    describe,
    is_transient,
    summary,
)
from app_under_test.remedy import Remedy

if TYPE_CHECKING:
    from uuid import UUID

    from app_under_test.context import Context
    from app_under_test.database import Database
    from app_under_test.messages import Acknowledge, Message, StoredMessage
    from app_under_test.store import Store

PHASE = "database"


class DegradedStart(Remedy):
    """Covers a transient failure of phase database; keeps messages, bounded and in order.

    `active` is true from the covered failure until every kept message is stored. The state of
    phase database is corrected then.
    """

    def __init__(self, context: Context) -> None:
        settings = context.settings
        self.active = False
        self._context = context
        self._settings = settings
        self._log = context.log
        self._states = context.states
        self._limit_s = settings.phase_limit_s(PHASE)
        self._pause_s = settings.degraded_reconnect_pause_s
        self._size = settings.degraded_queue_size
        self._waiting: dict[UUID, tuple[Message, Acknowledge]] = {}  # oldest first
        self._stored: list[StoredMessage] = []
        self._draw = random.Random(settings.jitter_seed)  # noqa: S311  jitter, not a secret
        self._task: asyncio.Task[None] | None = None

    def covers(self, phase: str, error: Exception) -> bool:
        """Return whether start-up continues despite this error, and remember that it did."""
        covered = phase == PHASE and is_transient(error)
        self.active = self.active or covered
        return covered

    def keep(self, message: Message, acknowledge: Acknowledge) -> bool:
        """Keep a message while the database is away. Raises QueueFullError at the bound.

        Raises DatabaseAwayError when the database is no longer tried, as nothing would store it.
        A message with a key that is already waiting is a resend: it is not kept twice, and the
        resend is the one that is acknowledged.
        """
        if not self.active:
            return False
        if self._states.get(PHASE) == "failed":
            raise DatabaseAwayError(f"the message {message.key} was not stored")
        kept, _ = self._waiting.get(message.key, (message, acknowledge))
        if message.key not in self._waiting and len(self._waiting) >= self._size:
            raise QueueFullError(
                f"{self._size} messages wait for the database; send it again later"
            )
        self._waiting[message.key] = kept, acknowledge
        return True

    def serve(self) -> None:
        """Start trying in the background, if a failure was covered."""
        if self.active:
            from app_under_test.store import MessageStore  # noqa: PLC0415  loaded by then

            database = self._context.database
            assert database is not None, "serving before phase database"
            self._task = asyncio.create_task(
                self._come_back(database, MessageStore(database)), name="degraded-start"
            )

    async def close(self) -> None:
        """End the background task; messages that still wait are lost with the process."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _come_back(self, database: Database, store: Store) -> None:
        tries = 0
        while self.active:
            await asyncio.sleep(self._draw.uniform(0.0, 2.0 * self._pause_s))
            tries += 1
            try:
                await self._reconnect(database, store)
            except Exception as error:  # noqa: BLE001  judged below, logged with its chain
                if not self._try_again(error, tries):
                    return

    async def _reconnect(self, database: Database, store: Store) -> None:
        """Open the database under its phase's limit, then store what waited, oldest first."""
        if not database.is_open:
            async with asyncio.timeout(self._limit_s):
                await database.open()
        while self._waiting:
            oldest = next(iter(self._waiting))
            stored = await store.add(self._waiting[oldest][0])
            _, acknowledge = self._waiting.pop(oldest)
            acknowledge(oldest)
            self._stored.append(stored)
        # No await since the last look at the queue, so no message is missed.
        self.active = False
        self._states[PHASE] = "complete"
        self._report()

    def _report(self) -> None:
        log, count = self._log, len(self._stored)
        log.emit(
            "database.reconnected",
            f"The database is back; {count} messages that waited are stored",
            phase=PHASE,
            stored=count,
            address=self._settings.database_address,
        )
        for message in self._stored:
            log.emit(
                "chat.stored",
                f"Message {message.id} is stored after waiting",
                message_id=message.id,
                key=str(message.key),
                waited=True,
            )
        self._stored.clear()

    def _try_again(self, error: Exception, tries: int) -> bool:
        again = is_transient(error)
        if not again:
            self._states[PHASE] = "failed"
        self._log.emit(
            "database.retry_failed" if again else "phase.failed",
            f"Try {tries} to reach the database failed"
            f"{'' if again else ', waiting cannot help'}: {summary(error)}",
            severity="WARNING" if again else "ERROR",
            phase=PHASE,
            tries=tries,
            waiting=len(self._waiting),
            limit_s=self._limit_s,
            critical=True,
            error=describe(error),
            address=self._settings.database_address,
        )
        return again
