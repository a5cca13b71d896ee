"""A small disk for the app's database, in memory, which can be full.

It is mounted in a mount namespace of the server, and ends with the server's last process. The rest
of the server's data stays where it is.
"""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, Any

import asyncpg

from crashloop.driver import NO_RESULT
from crashloop.engines.mounts import in_namespace
from crashloop.engines.process import finish
from crashloop.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from crashloop.engines.account import Account

SIZE_MB = 64  # a new database has 8 MB
BOUND_S = 10.0
_TABLESPACE = "crashloop_disk"
_ROW_CHARS = 1000


class SmallDisk:
    """The disk that is mounted over `folder` once it `is_taken`, for a server of `account`."""

    def __init__(self, folder: Path, account: Account | None) -> None:
        self.is_taken = False
        self._folder = folder
        self._ballast = folder / "ballast"
        self._account = account

    def words(self) -> tuple[str, ...]:
        """The words before the server's command that mount it; none unless it is taken.

        As root, they also drop root. Raises CapabilityError where no namespace may be made.
        """
        if not self.is_taken:
            return ()
        account = self._account
        owner = f",uid={account.uid},gid={account.gid}" if account else ""
        options = f"size={SIZE_MB}m,mode=0700{owner}"
        mount = [_program("mount"), "-t", "tmpfs", "-o", options, "tmpfs", str(self._folder)]
        words = in_namespace([mount])
        if account is None:
            return words
        ids = ("--reuid", str(account.uid), "--regid", str(account.gid), "--clear-groups", "--")
        return (*words, _program("setpriv"), *ids)

    def require_not_taken(self) -> None:
        """Raise UsageError if it is: a server that is started again would find it empty."""
        if self.is_taken:
            raise UsageError(
                "after disk_full, Postgres cannot be started again: its disk ends with it",
                hint="plan the fault that restarts it before disk_full, or in another run",
            )

    async def take(self, own: Any, database: str) -> None:
        """Move a database to it; `own` is a session in another one.

        Raises HarnessError if somebody uses the database meanwhile.
        """
        for command in (
            f"create tablespace {_TABLESPACE} location '{self._folder}'",
            f"alter database {database} set tablespace {_TABLESPACE}",
        ):
            try:
                await own.execute(command, timeout=BOUND_S)
            except NO_RESULT as error:
                raise HarnessError(
                    f"the database did not get a disk of its own: {type(error).__name__}: {error}",
                    hint="inject disk_full before the app starts: no session may be open",
                ) from error

    @contextlib.asynccontextmanager
    async def full(self, own: Any) -> AsyncIterator[str]:
        """Let the server write until it is full; gives the SQLSTATE with which it says so."""
        rows = SIZE_MB * 1024 * 1024 // _ROW_CHARS
        row = f"select repeat('x', {_ROW_CHARS}) from generate_series(1, {rows})"  # noqa: S608  our own figures
        try:
            try:
                await own.execute(f"copy ({row}) to '{self._ballast}'", timeout=BOUND_S)
            except asyncpg.DiskFullError as error:
                yield str(error.sqlstate)
            else:
                raise HarnessError(
                    f"Postgres wrote {SIZE_MB} MB to a disk of that size",
                    hint="see postgres.log in the artifacts",
                )
        finally:
            await finish(self._free(own))

    async def _free(self, own: Any) -> None:
        try:
            nothing = f"copy (select where false) to '{self._ballast}'"
            await own.execute(nothing, timeout=BOUND_S)
        except NO_RESULT as error:
            raise HarnessError(
                f"the disk was not emptied: {type(error).__name__}: {error}",
                hint="see postgres.log in the artifacts",
            ) from error


def _program(name: str) -> str:
    return shutil.which(name) or name
