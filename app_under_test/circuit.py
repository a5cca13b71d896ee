"""A circuit breaker between the chat and the database, and a store of messages behind it."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from purgatory import AsyncCircuitBreakerFactory, ContextChanged
from purgatory.domain.model import CLOSED, HALF_OPENED, OPENED, OpenedState
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app_under_test.failure import DatabaseAwayError, is_transient, links

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from purgatory import Event

    from app_under_test.log import Log
    from app_under_test.messages import Message, StoredMessage
    from app_under_test.store import Store

NAME = "database"


class CircuitOpenError(DatabaseAwayError, ConnectionError):
    """The database was not asked, as it has failed too often; waiting may help."""


class Circuit:
    """Purgatory's circuit breaker around calls of the database.

    `threshold` failures in a row open it. It then refuses every call for `open_s` seconds. The
    first call after that is the trial (half-open): if it fails, the circuit opens again; if it
    passes, the circuit closes. Errors that waiting cannot fix are answers of the database, so they
    count as passed.
    """

    def __init__(self, *, threshold: int, open_s: float, log: Log) -> None:
        self._threshold = threshold
        self._open_s = open_s
        self._log = log
        self._refused = 0
        self._is_on_trial = False
        self._factory = AsyncCircuitBreakerFactory(
            default_threshold=threshold,
            default_ttl=open_s,
            exclude=[(Exception, is_answer)],
        )
        self._factory.add_listener(self._report)

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """Let one call through, and count how it ends. Raises CircuitOpenError at once if open."""
        breaker = await self._factory.get_breaker(NAME)
        # Purgatory lets every call through while the circuit is half-open; if the database is
        # still silent, each of them would wait.
        if self._is_on_trial:
            raise self._refusal()
        async with AsyncExitStack() as entered:
            try:
                await entered.enter_async_context(breaker)
            except OpenedState as refused:
                # Purgatory raises the same object each time, and its traceback would grow.
                refused.__traceback__ = None
                raise self._refusal() from None
            if breaker.context.state == HALF_OPENED:
                self._is_on_trial = True
                entered.callback(self._end_trial)
                self._log.emit("remedy.circuit_half_opened", "The next request tries the database")
            yield

    def _refusal(self) -> CircuitOpenError:
        self._refused += 1
        return CircuitOpenError("the database has failed too often and is not asked for a while")

    def _end_trial(self) -> None:
        self._is_on_trial = False

    def _report(self, _: str, __: str, event: Event) -> None:
        """Log what purgatory says; it says `half-opened` only when the trial has ended."""
        if not isinstance(event, ContextChanged):
            return
        if event.state == OPENED:
            self._log.emit(
                "remedy.circuit_opened",
                f"Requests do not ask the database for {self._open_s:g} s",
                severity="WARNING",
                threshold=self._threshold,
                open_s=self._open_s,
                refused=self._refused,
            )
        elif event.state == CLOSED:
            self._log.emit(
                "remedy.circuit_closed",
                f"The database answers; requests that failed at once meanwhile: {self._refused}",
                refused=self._refused,
            )
            self._refused = 0


class GuardedStore:
    """A store of messages that is asked only while the circuit lets calls through."""

    def __init__(self, store: Store, circuit: Circuit) -> None:
        self._store = store
        self._circuit = circuit

    async def add(self, message: Message) -> StoredMessage:
        """Store the message. Raises CircuitOpenError, a DatabaseAwayError, besides the store's."""
        async with self._circuit.passing():
            return await self._store.add(message)

    async def newest(self, *, limit: int, key: UUID | None = None) -> list[StoredMessage]:
        """Return the newest messages. Raises CircuitOpenError besides the store's errors."""
        async with self._circuit.passing():
            return await self._store.newest(limit=limit, key=key)


def is_answer(error: Exception) -> bool:
    """Whether the error shows that the database answers, and has a connection for the next call."""
    return not (
        is_transient(error) or any(isinstance(link, PoolTimeoutError) for link in links(error))
    )
