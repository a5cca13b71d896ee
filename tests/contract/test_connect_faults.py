"""Real clients behind each connect fault: what they report, and how long they wait for it.

docs/connect-faults.md shows the same to a reader. Only lower bounds of time are asserted: a client
that waits for its limit does so on any machine, and one that does not would come to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import asyncpg
import psycopg
import pytest
from proxied import LOOPBACK, Client, Recorder, kernel

from crashloop.engines.binaries import find_binaries
from crashloop.engines.template import DATABASE
from crashloop.model import Transport
from crashloop.proxy import (
    AcceptClose,
    BlackHole,
    ConnectDelay,
    FaultProxy,
    Hold,
    Refuse,
    SlowConnect,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from databases import DatabaseServer

    from crashloop.proxy import Address, Fault

PATIENT_S = 6
"""The limit of a client that must end for another reason."""
LIMIT_S = {"asyncpg": 0.5, "psycopg": 2, "psql": 1, "curl": 0.5}
"""The shortest that each client's settings take; libpq rounds up to 2 s inside a program."""
RETRANSMISSION_S = 1
ROUNDING_S = 0.1
SOCKET_NAME = ".s.PGSQL.5432"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"

Report = str | int
Reports = dict[str, set[Report]]
CONNECTED: Reports = {name: {"connected"} for name in LIMIT_S}
REFUSED: Reports = {
    "asyncpg": {"ConnectionRefusedError"},
    "psycopg": {"OperationalError"},
    "psql": {2},
    "curl": {7},
}
CUT_SHORT: Reports = {
    # By how far the client had come when the connection went; 08003 only over a Unix socket.
    "asyncpg": {"ConnectionResetError", "ConnectionError", "ConnectionDoesNotExistError 08003"},
    "psycopg": {"OperationalError"},
    "psql": {2},
    "curl": {7, 52, 55, 56},
}
TIMED_OUT: Reports = {
    "asyncpg": {"TimeoutError"},
    "psycopg": {"ConnectionTimeout"},
    "psql": {2},
    "curl": {28},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A fault, what clients report of it, and the kind of event that is its receipt."""

    reports: Reports
    receipt: str
    fault: Fault | None = None
    upstream_down: bool = False
    known_down: bool = False


CASES = {
    "none": Case(reports=CONNECTED, receipt="link.connected"),
    "refuse": Case(fault=Refuse(), reports=REFUSED, receipt="gate.closed"),
    "accept_close": Case(fault=AcceptClose(), reports=CUT_SHORT, receipt="link.turned_away"),
    "reset": Case(fault=AcceptClose(reset=True), reports=CUT_SHORT, receipt="link.turned_away"),
    "hold": Case(fault=Hold(), reports=TIMED_OUT, receipt="link.held"),
    "slow_connect": Case(
        fault=SlowConnect(low_s=0.3, high_s=0.4), reports=CONNECTED, receipt="link.held"
    ),
    "black_hole": Case(fault=BlackHole(), reports=TIMED_OUT, receipt="gate.syn_seen"),
    "connect_delay": Case(
        fault=ConnectDelay(delay_s=0.3), reports=CONNECTED, receipt="gate.admitted"
    ),
    "upstream down, first": Case(upstream_down=True, reports=CUT_SHORT, receipt="link.failed"),
    "upstream down, next": Case(
        upstream_down=True, known_down=True, reports=REFUSED, receipt="gate.closed"
    ),
}
OVER = [
    pytest.param(
        name, transport, marks=kernel if isinstance(case.fault, BlackHole | ConnectDelay) else ()
    )
    for name, case in CASES.items()
    for transport in Transport
    if case.fault is None or transport in case.fault.transports
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path short enough for a socket's file on every system."""
    with tempfile.TemporaryDirectory(prefix="crashloop-", dir="/tmp") as short:
        yield Path(short)


@pytest.mark.parametrize(("name", "transport"), OVER)
def test_clients_report_a_connect_fault_as_the_page_says(
    name: str, transport: Transport, database_server: DatabaseServer, folder: Path
) -> None:
    case = CASES[name]

    async def one(client: str, http: tuple[str, int]) -> Report:
        place = folder / client
        place.mkdir()
        login = urlsplit(database_server.url(DATABASE))
        upstream = http if client == "curl" else (str(login.hostname), int(login.port or 0))
        async with _behind(case, upstream, transport, place) as (proxy, recorder):
            limit_s = LIMIT_S[client] if case.reports is TIMED_OUT else PATIENT_S
            begun_s = time.monotonic()
            report = await CLIENTS[client](
                proxy.address, login.username or "", unquote(login.password or ""), limit_s
            )
            after_s = time.monotonic() - begun_s
            await recorder.wait(case.receipt)
        if case.reports is TIMED_OUT:
            assert after_s >= limit_s - ROUNDING_S, client
        elif isinstance(case.fault, ConnectDelay):
            assert after_s >= RETRANSMISSION_S - ROUNDING_S, client
        elif isinstance(case.fault, SlowConnect):
            assert case.fault.low_s <= after_s < PATIENT_S, client
        else:
            assert after_s < PATIENT_S, client
        return report

    async def every() -> dict[str, Report]:
        server = await asyncio.start_server(_answer, *LOOPBACK)
        async with server:
            http = server.sockets[0].getsockname()
            clients = [name for name in LIMIT_S if name != "curl" or _program("curl")]
            return dict(
                zip(clients, await asyncio.gather(*(one(c, http) for c in clients)), strict=True)
            )

    reported = asyncio.run(every())
    unlike = {who: report for who, report in reported.items() if report not in case.reports[who]}
    assert not unlike, f"expected {case.reports}"


@contextlib.asynccontextmanager
async def _behind(
    case: Case, upstream: tuple[str, int], transport: Transport, folder: Path
) -> AsyncIterator[tuple[FaultProxy, Recorder]]:
    recorder = Recorder()
    listen = str(folder / SOCKET_NAME) if transport is Transport.UNIX else LOOPBACK
    with socket.socket() as down:
        down.bind(LOOPBACK)
        if case.upstream_down:
            upstream = down.getsockname()
        async with FaultProxy(listen=listen, upstream=upstream, emit=recorder) as proxy:
            if case.known_down:
                first = await Client.reach(proxy.address)
                with contextlib.closing(first.writer), contextlib.suppress(ConnectionResetError):
                    await first.reader.read(1)
                await recorder.wait("gate.closed")
            if case.fault is not None:
                await proxy.inject("fault", case.fault)
            yield proxy, recorder


async def _asyncpg(address: Address, user: str, password: str, limit_s: float) -> Report:
    try:
        connection = await asyncpg.connect(
            host=_host(address),
            port=address.port or 5432,
            user=user,
            password=password,
            database=DATABASE,
            timeout=limit_s,
        )
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return " ".join(filter(None, [type(error).__name__, getattr(error, "sqlstate", None)]))
    await connection.close()
    return "connected"


async def _psycopg(address: Address, user: str, password: str, limit_s: float) -> Report:
    try:
        connection = await psycopg.AsyncConnection.connect(
            host=_host(address),
            port=address.port or 5432,
            user=user,
            password=password,
            dbname=DATABASE,
            connect_timeout=round(limit_s),
        )
    except psycopg.Error as error:
        return type(error).__name__
    await connection.close()
    return "connected"


async def _psql(address: Address, user: str, password: str, limit_s: float) -> Report:
    where = f"host={_host(address)} port={address.port or 5432} user={user} dbname={DATABASE}"
    settings = f"{where} connect_timeout={round(limit_s)}"
    return await _run(_program("psql"), "-X", "-w", "-c", "select 1", settings, password=password)


async def _curl(address: Address, user: str, password: str, limit_s: float) -> Report:
    del user, password
    where = [f"http://{address.host}:{address.port}/"]
    if address.path:
        where = ["--unix-socket", address.path, "http://localhost/"]
    silent = ("-q", "-s", "--noproxy", "*", "-o", os.devnull)
    return await _run(_program("curl"), *silent, "--max-time", f"{limit_s:g}", *where)


CLIENTS: dict[str, Callable[[Address, str, str, float], Awaitable[Report]]] = {
    "asyncpg": _asyncpg,
    "psycopg": _psycopg,
    "psql": _psql,
    "curl": _curl,
}


async def _run(*command: str, password: str = "") -> Report:
    """Run a program without its user's settings; its exit code, or that it connected."""
    child = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "PGPASSWORD": password},
    )
    return await child.wait() or "connected"


def _program(name: str) -> str:
    """The program next to the tests' Postgres server, else on PATH; "" if there is none."""
    nearby = shutil.which(name, path=str(find_binaries().bin_dir))
    return nearby or shutil.which(name) or ""


def _host(address: Address) -> str:
    """What a Postgres client takes for a host: the host, or the socket's folder."""
    return address.host or str(Path(address.path).parent)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await writer.drain()
    writer.close()
