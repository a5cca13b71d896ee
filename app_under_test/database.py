"""The app's database: one SQLAlchemy engine on asyncpg, opened as a whole or not at all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
from sqlalchemy import event, make_url, text
from sqlalchemy.dialects.postgresql import asyncpg as _dialect  # noqa: F401  loaded before it is timed
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from app_under_test.failure import DatabaseAwayError
from app_under_test.pool_size import PoolSize

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from sqlalchemy.engine import URL, Dialect
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from app_under_test.pool_size import Sizing
    from app_under_test.settings import Settings

SCHEMA_LOCK_KEY = 1278
"""The key of the transaction-level advisory lock under which the tables are created."""

DRIVER_ERRORS = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""What using a connection can raise; SQLAlchemy passes errors of connecting on as they are."""

OF_DIALECT = ("prepared_statement_cache_size", "prepared_statement_name_func")
"""Parameters in the URL that are SQLAlchemy's own, and that asyncpg does not know."""


_STARTUP_TABLE = "CREATE TABLE IF NOT EXISTS {} (key text PRIMARY KEY, value text NOT NULL)"

_IS_CURRENT = text(
    "SELECT count(*) = 4 FROM pg_attribute WHERE attrelid = to_regclass('messages')"
    " AND attname IN ('id', 'client_id', :text_column, 'created_at')"
)

_LOCK = text("SELECT pg_advisory_lock(:key)")
_UNLOCK = text("SELECT pg_advisory_unlock(:key)")


def _schema(column: str) -> tuple[str, ...]:
    """The statements that create and check the tables; `column` has a message's text."""
    return (
        f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK_KEY})",
        (
            "CREATE TABLE IF NOT EXISTS messages ("
            " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
            " client_id uuid NOT NULL UNIQUE,"
            f" {column} text NOT NULL,"
            " created_at timestamptz NOT NULL DEFAULT now())"
        ),
        f"SELECT id, client_id, {column}, created_at FROM messages LIMIT 0",  # noqa: S608  the settings check it
    )


class Database:
    """The engine and its connections. Initially closed; `open` may be tried again if it fails.

    With `sizing`, the first connection asks the server how large the pool may be.
    """

    def __init__(self, settings: Settings, sizing: Sizing | None = None) -> None:
        self._settings = settings
        self._sizing = sizing
        self._size = PoolSize.of(settings)
        self._engine: AsyncEngine | None = None
        self._is_open = False

    @property
    def is_open(self) -> bool:
        """True between a successful `open` and `close`."""
        return self._is_open

    @property
    def text_column(self) -> str:
        """The column that has a message's text."""
        return self._settings.text_column

    async def open(self) -> None:
        """Connect, create and check the tables, then open the configured connections at once.

        With a migration lock, the tables are created under that session-level advisory lock. An app
        that looks first leaves tables alone that are there. A start-up table is read as a whole.

        Raises the driver's error with its chain and closes every connection, since others may wait
        for its slot. A try that is cancelled, as a time limit does, keeps the connections that it
        has for the next `open`, or for `close`.
        """
        assert not self._is_open, "open() of a database that is open"
        if self._engine is None:
            self._engine = await self._new_engine()
        try:
            await _create_tables(self._engine, self._settings)
            if table := self._settings.database_startup_table:
                await _read(self._engine, table)
            await _warm(self._engine, self._size.warm)
        except Exception:
            await self.close()
            raise
        self._is_open = True

    async def _new_engine(self) -> AsyncEngine:
        if self._sizing is None:
            return _engine(self._settings, self._size)
        first = await _connect(self._settings)
        try:
            self._size = await self._sizing(first)
        except BaseException:
            first.terminate()
            raise
        return _engine(self._settings, self._size, first)

    async def close(self) -> None:
        """Close every connection; nothing happens when there is none."""
        engine, self._engine, self._is_open = self._engine, None, False
        if engine is not None:
            await engine.dispose()

    def begin(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Take a connection in a transaction that commits at the end of the block.

        Raises DatabaseAwayError when the database is not open.
        """
        if self._engine is None or not self._is_open:
            raise DatabaseAwayError("the database is not open")
        return self._engine.begin()


async def probe(settings: Settings) -> None:
    """Open one connection and close it. Raises the driver's error with its chain."""
    engine = _engine(settings, PoolSize.of(settings))
    try:
        async with engine.connect():
            pass
    finally:
        await engine.dispose()


def _url(settings: Settings) -> URL:
    """The database's URL, with the role that the settings name besides."""
    url = make_url(settings.database_url.get_secret_value())
    return url.set(username=settings.database_user) if settings.database_user else url


async def _connect(settings: Settings) -> asyncpg.Connection:
    """Open a connection as the engine would."""
    url = _url(settings).difference_update_query(OF_DIALECT)
    _, where = url.get_dialect()().create_connect_args(url)
    return await asyncpg.connect(**where, **_arguments(settings))


def _engine(
    settings: Settings, size: PoolSize, first: asyncpg.Connection | None = None
) -> AsyncEngine:
    """Make an engine; `first` is a connection that is open already and becomes its first."""
    engine = create_async_engine(
        _url(settings),
        pool_size=size.pool,
        max_overflow=size.overflow,
        pool_timeout=settings.database_pool_timeout_s,
        pool_recycle=settings.database_pool_recycle_s,
        connect_args={**_arguments(settings), **_of_dialect(settings)},
    )
    if first is not None:

        async def opened(*_: object, **__: object) -> asyncpg.Connection:
            return first

        @event.listens_for(engine.sync_engine, "do_connect", once=True)
        def take_first(
            dialect: Dialect, _: object, arguments: list[Any], named: dict[str, Any]
        ) -> Any:
            return dialect.connect(*arguments, async_creator_fn=opened, **named)

    return engine


def _of_dialect(settings: Settings) -> dict[str, Any]:
    """What SQLAlchemy is told: without prepared statements, each is unnamed and used once."""
    if settings.database_prepared_statements:
        return {}
    return {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}


def _arguments(settings: Settings) -> dict[str, Any]:
    """What asyncpg is told besides where the server is."""

    class Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg is untyped
        """A connection whose orderly close takes its limit from the settings."""

        async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109, ARG002  asyncpg's signature; SQLAlchemy passes a constant
            await super().close(timeout=settings.database_close_timeout_s)

    return {
        **({} if settings.database_prepared_statements else {"statement_cache_size": 0}),
        "timeout": settings.database_connect_timeout_s,
        "command_timeout": settings.database_command_timeout_s,
        "server_settings": {"application_name": settings.application_name},
        "connection_class": Connection,
    }


async def _create_tables(engine: AsyncEngine, settings: Settings) -> None:
    """Create and check the tables in one transaction, under the lock that the settings ask for.

    The session of a try that fails or is cancelled is closed, and the lock with it.
    """
    lock, table = settings.database_migration_lock, settings.database_startup_table
    startup_table = (_STARTUP_TABLE.format(table),) if table else ()
    async with engine.connect() as connection:
        try:
            column = {"text_column": settings.text_column}
            may_look = settings.database_look_first and not table
            if may_look and await connection.scalar(_IS_CURRENT, column):
                return
            if lock:
                await connection.execute(_LOCK, {"key": lock})
                await connection.commit()
            for statement in (*_schema(settings.text_column), *startup_table):
                await connection.execute(text(statement))
            await connection.commit()
            if lock:
                await connection.execute(_UNLOCK, {"key": lock})
                await connection.commit()
        except BaseException:
            await connection.invalidate()
            raise


async def _read(engine: AsyncEngine, table: str) -> None:
    """Read a whole table; the session of a try that fails or is cancelled is closed."""
    async with engine.connect() as connection:
        try:
            await connection.execute(text(f"SELECT key, value FROM {table}"))  # noqa: S608  a name
            await connection.commit()
        except BaseException:
            await connection.invalidate()
            raise


async def _warm(engine: AsyncEngine, connections: int) -> None:
    """Hold that many connections at the same time, each after a real query."""
    # In a task of its own: until Python 3.13, a task in which a group failed counts as cancelled,
    # and in Python 3.11.2 none of its later time limits raises TimeoutError.
    await asyncio.create_task(_hold(engine, connections))


async def _hold(engine: AsyncEngine, connections: int) -> None:
    all_open = asyncio.Barrier(connections)

    async def hold_one() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            await all_open.wait()

    first: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(hold_one())
    except* Exception as errors:  # noqa: BLE001  the first is raised below as it is
        first = errors.exceptions[0]
    if first is not None:
        raise first
