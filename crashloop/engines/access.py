"""How the app gets into a Postgres, and what a fault changes of it at the server."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import asyncpg

from crashloop.engines.process import finish
from crashloop.engines.session import session
from crashloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from typing import TypeAlias

    from crashloop.faults.ports import AccessPart

    Connection: TypeAlias = asyncpg.Connection[Any]

# The catalogs are written themselves: what was there comes back as it was, and sessions go on.
# ALTER DATABASE would first need all of them to end.
_STORED: Mapping[AccessPart, tuple[str, str, str]] = {
    "role": ("pg_authid", "rolname", "rolname"),
    "password": ("pg_authid", "rolpassword", "rolname"),
    "database": ("pg_database", "datname", "datname"),
}
"""The catalog and the column that hold a part, and the column that names its row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A role, its password and a database, as the server has them."""

    role: str
    password: str = field(repr=False)
    database: str


class AccessChanges:
    """The app's access to a Postgres as it is now, and changes of it for the time of a fault.

    The app keeps what it was given; the harness's own connections follow the changes. `own` is the
    superuser's, with a database that no fault renames.
    """

    def __init__(
        self,
        app: Access,
        own: Access,
        *,
        opening: Callable[[Access], Awaitable[Connection]],
        has_ended: Callable[[int], Awaitable[bool]] | None = None,
    ) -> None:
        self._app = app
        self._own = own
        self._opening = opening
        self._has_ended = has_ended
        self._changed: set[AccessPart] = set()
        self._changing = asyncio.Lock()

    async def connect(self, *, superuser: bool) -> Connection:
        """Open a connection to the app's database, of the superuser or of the app's role.

        One that was refused while the access was being changed is tried once more.
        """
        used = self._app
        try:
            return await self._opening(self._login(superuser=superuser))
        except (asyncpg.InvalidPasswordError, asyncpg.InvalidCatalogNameError):
            async with self._changing:
                now = self._app
            if now == used:
                raise
            return await self._opening(self._login(superuser=superuser))

    @contextlib.asynccontextmanager
    async def changed(self, part: AccessPart, *, to: str = "") -> AsyncIterator[None]:
        """While entered, this part is `to` at the server, by default a random text.

        Sessions that are open go on. UsageError if the part is changed already.
        """
        if part in self._changed:
            raise UsageError(
                f"two faults would change the app's {part} at once",
                hint="let one be healed before the other is injected",
            )
        self._changed.add(part)
        try:
            async with self._another(part, to or f"crashloop_{secrets.token_hex(8)}"):
                yield
        finally:
            self._changed.discard(part)

    @contextlib.asynccontextmanager
    async def _another(self, part: AccessPart, another: str) -> AsyncIterator[None]:
        catalog, column, name = _STORED[part]
        find = f"select oid, {column} from {catalog} where {name} = $1"  # noqa: S608  all from _STORED
        write = f"update {catalog} set {column} = $2 where oid = $1"  # noqa: S608
        was = self._app
        async with self._session() as own:
            row = await own.fetchrow(find, was.database if part == "database" else was.role)

        async def change() -> None:
            async with self._session() as own, self._changing:
                if part == "password":  # the server makes the verifier of it
                    await own.execute(f"alter role {self._app.role} password '{another}'")
                else:
                    await own.execute(write, row["oid"], another)
                self._app = replace(self._app, **{part: another})

        async def restore() -> None:
            async with self._session() as own, self._changing:
                await own.execute(write, row["oid"], row[column])
                self._app = replace(self._app, **{part: getattr(was, part)})

        try:
            await finish(change())
            yield
        finally:
            await finish(restore())

    def _login(self, *, superuser: bool) -> Access:
        return replace(self._own, database=self._app.database) if superuser else self._app

    def _session(self) -> AbstractAsyncContextManager[Connection]:
        return session(self._opening(self._own), self._has_ended)
