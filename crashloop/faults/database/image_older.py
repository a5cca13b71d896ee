"""The fault of a schema that a newer image has changed already."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg

from crashloop.errors import HarnessError, UsageError
from crashloop.faults.alone import Alone
from crashloop.faults.database.base import TARGET, DatabaseFault, refused
from crashloop.faults.database.lock_held import LOCK_BOUND_S, QUOTED, TABLE
from crashloop.faults.database.table import IS, MOST_BYTES, require_table
from crashloop.faults.parameter import takes
from crashloop.model import Grade, Receipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.faults.ports import Database, Ports

NO_COLUMN = "42703"
NEWER = "_of_a_newer_image"
"""What a newer image adds to the name of the column."""
SCHEMA_NEWER = "database.schema_newer"
COLUMN_IS = "a column of the table that the app asks for, of 46 bytes at most"

COLUMN = """
select true from pg_attribute
where attrelid = to_regclass($1) and attname = $2 and attnum > 0 and not attisdropped
"""
COLUMNS = """
select array_agg(attname::text order by attnum) from pg_attribute
where attrelid = to_regclass($1) and attnum > 0 and not attisdropped
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOlder(DatabaseFault):
    """A newer image has renamed a `column` of a `table`; the app still asks for the old one.

    `table` may name its schema. With `create`, a table that is not there yet is made without the
    column, and with the `others`, which are written as in CREATE TABLE.
    """

    kind = "image_older"
    receipt = Receipt(
        grade=Grade.SERVER,
        kinds=("database.error",),
        whose="server",
        where={"sqlstate": NO_COLUMN},
    )
    alone = Alone(
        target=TARGET,
        params={"table": "messages", "column": "text", "create": True},
        own="table=NAME,column=NAME, a column that its start or its journey asks for",
        shows=refused(NO_COLUMN),
        told_by={
            "refuse": "phase_failed",
            "slots_taken": "phase_failed",
            "read_only": "phase_failed",
        },
        ends="the newer image is deployed again, or the schema goes back; no restart helps",
    )

    table: str = field(metadata=takes("text", says=IS))
    column: str = field(metadata=takes("text", says=COLUMN_IS))
    create: bool = field(default=False, metadata=takes("flag"))
    others: str = field(
        default="", metadata=takes("text", says="columns, as in CREATE TABLE; with create")
    )

    def __post_init__(self) -> None:
        require_table(self, self.table)
        if not self.column or len(f"{self.column}{NEWER}".encode()) > MOST_BYTES:
            raise UsageError(
                f"the fault image_older got column={self.column!r}", hint=f"column is {COLUMN_IS}"
            )
        if self.others and not self.create:
            raise UsageError(
                f"the fault image_older got others={self.others!r} without create",
                hint="they are columns of a table that is made: add create=true",
            )

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Rename the column on entering, and back on leaving.

        Emits `database.schema_newer` with the columns that the server then has.
        """
        del name
        database = ports.database(target)
        undo = await self._change(database)
        try:
            async with database.session(superuser=False) as own:
                columns = await own.fetchval(COLUMNS, self.table)
            ports.emit("database", SCHEMA_NEWER, target, table=self.table, columns=columns)
            yield
        finally:
            await self._execute(database, undo)

    async def _change(self, database: Database) -> str:
        """Change the schema; gives the statement that undoes it."""
        async with database.session(superuser=False) as own:
            table = await own.fetchval(TABLE, self.table)
            column, newer, new_table = await own.fetchrow(
                f"select quote_ident($1), quote_ident($2), ({QUOTED.replace('$1', '$3')})",
                self.column,
                self.column + NEWER,
                self.table,
            )
            has_column = await own.fetchval(COLUMN, self.table, self.column)
        if table is None and self.create:
            others = f", {self.others}" if self.others else ""
            await self._execute(database, f"create table {new_table} ({newer} text{others})")
            return f"drop table {new_table}"
        if table is None or not has_column:
            raise self._nothing_to_rename(table)
        await self._execute(database, f"alter table {table} rename column {column} to {newer}")
        return f"alter table {table} rename column {newer} to {column}"

    async def _execute(self, database: Database, statement: str) -> None:
        try:
            async with database.session(superuser=False) as own:
                await own.execute(f"set lock_timeout = '{LOCK_BOUND_S:g}s'")
                await own.execute(statement)
        except asyncpg.LockNotAvailableError as error:
            raise HarnessError(
                f"image_older did not get {self.table} for itself within {LOCK_BOUND_S:g} s",
                hint="inject it while the app holds no lock of its own",
            ) from error
        except asyncpg.InsufficientPrivilegeError as error:
            raise UsageError(
                f"image_older: the app's role may not change {self.table}: {error}",
                hint="choose a table that the app has made itself",
            ) from error
        except (asyncpg.SyntaxOrAccessError, asyncpg.InvalidSchemaNameError) as error:
            raise UsageError(
                f"image_older: Postgres refuses to {statement}: {error}",
                hint="correct the parameters; crashloop faults image_older describes them",
            ) from error

    def _nothing_to_rename(self, table: Any) -> UsageError:
        missing = f"table {self.table!r}" if table is None else f"column {self.column!r} in {table}"
        return UsageError(
            f"image_older: there is no {missing}",
            hint="inject it after the app has made its tables; with create=true, a missing table "
            "is made without the column",
        )
