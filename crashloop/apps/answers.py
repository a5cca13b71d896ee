"""Asking an app, and reading its answers: it may answer anything, at any length.

An answer over `MAX_ANSWER_BYTES` is unreadable. Nothing is decompressed, as a few bytes could
become gigabytes. What an event takes from an answer is short: see `leaves`.
"""

from __future__ import annotations

import asyncio
import errno
import json
import math
import socket
from itertools import islice
from typing import TYPE_CHECKING, Any

import httpx
from websockets.asyncio.client import connect as connect_websocket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.model import Ready

CONNECT_BOUND_S = 0.2
REQUEST_TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 64 * 1024
MAX_TEXT_CHARS = 40
MAX_LEAVES = 50
MAX_DEPTH = 8
MAX_NUMBER = 2**63
SUCCESS = range(200, 300)
NOT_YET = frozenset({408, 425, 429, 502, 503, 504})
"""Statuses by which an app, or a server in front of it, says that it is to be asked later."""


async def connect(address: tuple[str, int]) -> int:
    """Connect and leave: 0 if a process listens there, ECONNREFUSED if none does.

    Any other number (no answer within CONNECT_BOUND_S, no route) says nothing about the port.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            async with asyncio.timeout(CONNECT_BOUND_S):
                await asyncio.get_running_loop().sock_connect(probe, address)
        except OSError as error:
            return error.errno or errno.ETIMEDOUT
    return 0


def client_of(address: tuple[str, int]) -> httpx.AsyncClient:
    """A client of the app itself: no certificates to load, no proxy of the user's in between."""
    host, port = address
    return httpx.AsyncClient(
        base_url=f"http://{host}:{port}",
        timeout=REQUEST_TIMEOUT_S,
        headers={"accept-encoding": "identity"},
        transport=httpx.AsyncHTTPTransport(verify=False, trust_env=False),
        trust_env=False,
    )


async def readiness(
    client: httpx.AsyncClient, address: tuple[str, int], ready: Ready, *, said_so: bool = False
) -> dict[str, Any]:
    """Ask once whether the app is ready by its own rule: the data of `ready.answered`.

    `ready`, `status_code` (None without HTTP) and `answer`, or `error` if there was no answer.
    `said_so`: a line of the life's output has matched the rule's `log`.
    """
    if ready.log:
        return {"ready": said_so, "status_code": None, "answer": {}}
    if not ready.path:
        return {"ready": await connect(address) == 0, "status_code": None, "answer": {}}
    try:
        status, body = await request(client, "GET", ready.path, within_s=REQUEST_TIMEOUT_S)
    except (TimeoutError, httpx.HTTPError) as error:
        return {"ready": False, "status_code": None, "error": type(error).__name__}
    try:
        answer = None if body is None else parsed(body)
    except ValueError:
        answer = None
    is_ready = status in SUCCESS and (not ready.json or has_all(answer, ready.json))
    return {"ready": is_ready, "status_code": status, "answer": leaves(answer)}


async def request(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    *,
    body: Any = None,
    within_s: float = REQUEST_TIMEOUT_S,
) -> tuple[int, bytes | None]:
    """The status and the body of the answer, None if it is over the bound; `body` is sent as JSON.

    Raises TimeoutError after `within_s`, and httpx' own errors.
    """
    received = bytearray()
    async with (
        asyncio.timeout(within_s),
        client.stream(method, path, json=body, timeout=None) as response,
    ):
        async for part in response.aiter_raw():
            received += part
            if len(received) > MAX_ANSWER_BYTES:
                return response.status_code, None
    return response.status_code, bytes(received)


async def converse(
    address: tuple[str, int], path: str, message: Any, *, within_s: float = REQUEST_TIMEOUT_S
) -> Any:
    """Send JSON over a WebSocket; the JSON value of the first message that comes back.

    Raises TimeoutError after `within_s`, websockets' own errors, and ValueError if the
    answer is no JSON.
    """
    host, port = address
    async with (
        asyncio.timeout(within_s),
        connect_websocket(
            f"ws://{host}:{port}{path}", proxy=None, compression=None, max_size=MAX_ANSWER_BYTES
        ) as conversation,
    ):
        await conversation.send(json.dumps(message))
        return parsed(await conversation.recv())


def parsed(text: str | bytes) -> Any:
    """The value that JSON text stands for; ValueError if it is unreadable."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("the app's answer is nested too deeply") from None


def has_all(value: object, expected: Mapping[str, Any]) -> bool:
    """Whether a value is an object with all of `expected`; objects inside it are subsets, too."""
    if not isinstance(value, dict):
        return False
    return all(
        name in value
        and (has_all(value[name], each) if isinstance(each, dict) else value[name] == each)
        for name, each in expected.items()
    )


def leaves(value: object, *, prefix: str = "", depth: int = MAX_DEPTH) -> dict[str, Any]:
    """The first leaves of an object, short enough for an event: `{"phases.database": "complete"}`.

    Long text is cut; a list, a very large number and whatever is nested deeper are only named.
    """
    found: dict[str, Any] = {}
    for name, each in value.items() if isinstance(value, dict) else ():
        path = f"{prefix}{name[:MAX_TEXT_CHARS]}"
        if isinstance(each, dict) and each and depth:
            found |= leaves(each, prefix=f"{path}.", depth=depth - 1)
        else:
            found[path] = _short(each)
        if len(found) >= MAX_LEAVES:
            break
    return dict(islice(found.items(), MAX_LEAVES))


def _short(value: object) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) < MAX_NUMBER and math.isfinite(value):
        return value
    return value[:MAX_TEXT_CHARS] if isinstance(value, str) else type(value).__name__
