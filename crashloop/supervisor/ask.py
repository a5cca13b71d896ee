"""Execute a probe once, from the address of the harness."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import httpx

from crashloop.model import ProbeKind
from crashloop.supervisor.life import LifeProcess

if TYPE_CHECKING:
    from crashloop.model import Probe

RunCommand: TypeAlias = Callable[[LifeProcess, Sequence[str]], Awaitable[int]]
"""Runs a command beside a life, in the folder and environment of its app; its exit status.

If it is cancelled, it ends the command and what the command started.
"""

# kubernetes, pkg/probe/http/http.go: as much of an answer is read, and these statuses pass.
MAX_BODY_BYTES = 10 * 1024
PASSING = range(200, 400)

# Chosen: how often a probe that keeps trying does so, in wall seconds.
TRY_EVERY_S = 0.05

# Only plain HTTP is spoken, so no certificates are loaded, which would take 20 ms each time.
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def ask(
    probe: Probe, process: LifeProcess, *, timeout_s: float, run_command: RunCommand | None
) -> str:
    """Execute `probe` within `timeout_s` wall seconds; why it failed, "" if it passed.

    That is one try, or as many as are needed if the probe keeps trying.
    """
    why = f"no answer within {timeout_s:g} s"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while why := await _try(probe, process, run_command):
                if not probe.keeps_trying:
                    break
                await asyncio.sleep(TRY_EVERY_S)  # a port has no event for being opened
    return why


async def _try(probe: Probe, process: LifeProcess, run_command: RunCommand | None) -> str:
    try:
        if probe.kind is ProbeKind.COMMAND:
            assert run_command is not None
            status = await run_command(process, probe.command)
            return "" if status == 0 else f"exit status {status}"
        if process.address is None:
            return "its address is not known"
        if probe.kind is ProbeKind.HTTP:
            return await _http(*process.address, probe.path)
        return await _tcp(*process.address)
    except (OSError, httpx.HTTPError) as error:
        return type(error).__name__


async def _tcp(host: str, port: int) -> str:
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    with contextlib.suppress(OSError):  # it accepted, and that is what was asked
        await writer.wait_closed()
    return ""


async def _http(host: str, port: int, path: str) -> str:
    netloc = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    client = httpx.AsyncClient(trust_env=False, verify=_NO_CERTIFICATES, timeout=None)  # noqa: S113  the caller has a limit
    async with client, client.stream("GET", f"http://{netloc}{path}") as answer:
        size_bytes = 0
        async for chunk in answer.aiter_raw():
            size_bytes += len(chunk)
            if size_bytes >= MAX_BODY_BYTES:
                break
    return "" if answer.status_code in PASSING else f"status {answer.status_code}"
