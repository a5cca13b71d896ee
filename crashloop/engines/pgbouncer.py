"""A real PgBouncer between the path and Postgres, where a scenario wants a pooler.

What both engines need of one comes first: its configuration, its version, a session through it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from crashloop.driver import NO_RESULT
from crashloop.engines.account import clean_environment
from crashloop.engines.ports import HOST, kept_port
from crashloop.engines.process import finish, start
from crashloop.engines.server import START_BOUND_S, Server
from crashloop.engines.template import DATABASE, ROLE
from crashloop.errors import CapabilityError, HarnessError
from crashloop.proxy.address import Address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from crashloop.engines.postgres import PostgresServer
    from crashloop.engines.process import Process
    from crashloop.engines.server import Emit
    from crashloop.engines.workspace import Workspace

PROGRAM = "pgbouncer"
# Debian puts it where only root's PATH looks.
SYSTEM_PROGRAMS = "/usr/sbin:/usr/local/sbin"
SINCE = (1, 18)  # Debian 12's, the oldest that is tried
WANTED = ".".join(map(str, SINCE))
READY = "process up"
VERSION = re.compile(r"PgBouncer (\d+)\.(\d+)")
_BOUND_S = 10.0
# Longer than a run. By default an idle session is tested after 30 s, the oldest one first, and
# that one is given to the next client; it is closed after 600 s.
KEEPS_S = 86_400


def configuration(*, listen: Address, postgres: Address, users: str, mode: str) -> str:
    """The text of its configuration; `users` is the path of the file with those who may connect.

    It has only settings that the oldest PgBouncer knows, which refuses every other.
    """
    return f"""\
[databases]
{DATABASE} = host={postgres.host} port={postgres.port} dbname={DATABASE}
[pgbouncer]
listen_addr = {listen.host}
listen_port = {listen.port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = {mode}
max_client_conn = 1000
default_pool_size = 20
ignore_startup_parameters = extra_float_digits
server_check_delay = {KEEPS_S}
server_idle_timeout = {KEEPS_S}
"""


def users_file(password: str) -> str:
    """The text of its file of users: the app's role alone."""
    return f'"{ROLE}" "{password}"\n'


def is_new_enough(says: str) -> bool:
    """Whether these words of a program are those of a PgBouncer that has all that is needed."""
    version = VERSION.search(says)
    return version is not None and (int(version[1]), int(version[2])) >= SINCE


def no_pooler(target: str) -> CapabilityError:
    """The error for a fault that needs a pooler where there is none."""
    return CapabilityError(
        f"this fault needs a pooler before {target}, and there is none",
        hint="give it one: -p pooler=transaction",
    )


@contextlib.asynccontextmanager
async def session_through(
    address: Address, password: str
) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A new connection of the app's role through the PgBouncer there, closed on leaving.

    It prepares no statement that has a name: in transaction mode PgBouncer keeps those for their
    client only since 1.21. Raises HarnessError if it does not answer.
    """
    try:
        client = await asyncpg.connect(
            host=address.host,
            port=address.port,
            user=ROLE,
            password=password,
            database=DATABASE,
            timeout=_BOUND_S,
            statement_cache_size=0,
        )
    except NO_RESULT as error:
        raise HarnessError(
            f"PgBouncer did not let the harness in: {type(error).__name__}: {error}",
            hint="see pgbouncer.log in the artifacts",
        ) from error
    try:
        yield client
    finally:
        await client.close(timeout=_BOUND_S)


class Pooler(Server):
    """A running PgBouncer; `port` is its TCP port on the loopback."""

    source = "pooler"
    stop_steps = ((signal.SIGINT, 1.0), (signal.SIGTERM, 1.0))

    def __init__(self, process: Process, emit: Emit, *, port: int, password: str) -> None:
        self.port = port
        self._password = password
        super().__init__(process, emit)

    def session(self) -> AbstractAsyncContextManager[asyncpg.Connection[Any]]:
        """A new connection of the app's role through it, closed on leaving.

        Raises HarnessError if it does not answer.
        """
        return session_through(Address(host=HOST, port=self.port), self._password)


def find_pgbouncer() -> Path:
    """The program; CapabilityError if there is none, or one that is too old."""
    path = os.pathsep.join((os.environ.get("PATH", ""), SYSTEM_PROGRAMS))
    found = shutil.which(PROGRAM, path=path)
    if found is None:
        raise CapabilityError(
            "this scenario needs PgBouncer, and this machine has none",
            hint="install it: apt-get install pgbouncer",
        )
    shown = subprocess.run(  # noqa: S603  the program that was just found
        [found, "--version"],
        capture_output=True,
        text=True,
        env=clean_environment(None),
        timeout=_BOUND_S,
        check=False,
    ).stdout
    if not is_new_enough(shown):
        raise CapabilityError(
            f"{found} is {shown.partition(chr(10))[0] or 'no PgBouncer'}, and {WANTED} is needed",
            hint=f"install PgBouncer {WANTED} or later",
        )
    return Path(found)


@contextlib.asynccontextmanager
async def pooler(
    workspace: Workspace,
    database: PostgresServer,
    *,
    mode: str,
    password: str,
    emit: Emit,
    evidence: Path,
) -> AsyncIterator[Pooler]:
    """Start it before `database` in the pool mode `mode`; it ends on leaving.

    Clients are the app's role alone, with its password. `emit` gets pooler.started, pooler.stopped
    and pooler.died; its log is `evidence`/pgbouncer.log. Raises CapabilityError where there is no
    PgBouncer, HarnessError when it does not start.
    """
    program = find_pgbouncer()
    folder = workspace.part("pooler", account=workspace.account)
    users = folder / "users"
    with kept_port(HOST) as port:
        text = configuration(
            listen=Address(host=HOST, port=port),
            postgres=Address(host=HOST, port=database.port),
            users=str(users),
            mode=mode,
        )
        _write(workspace, users, users_file(password))
        _write(workspace, folder / "pgbouncer.ini", text)
        process = start(
            [program, folder / "pgbouncer.ini"],
            workspace=workspace,
            name="PgBouncer",
            account=workspace.account,
            log=evidence / "pgbouncer.log",
            stop_signal=signal.SIGTERM,
        )
        server = Pooler(process, emit, port=port, password=password)
        try:
            try:
                await process.said(READY, deadline_s=START_BOUND_S)
            except HarnessError as error:
                raise HarnessError(
                    f"PgBouncer did not start. Its last lines:\n{process.tail()}",
                    hint="see pgbouncer.log in the artifacts",
                ) from error
            emit("pooler.started", {"pid": server.pid, "port": port, "mode": mode})
            yield server
        finally:
            await finish(server.stop())


def _write(workspace: Workspace, path: Path, text: str) -> None:
    """Write a file that only PgBouncer and we may read."""
    path.touch(mode=0o600)
    path.write_text(text)
    if workspace.account is not None:
        os.chown(path, workspace.account.uid, workspace.account.gid)
