"""The user of the app: watches its port, asks whether it is ready, and walks the golden path."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
import time
from typing import TYPE_CHECKING, Any

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from crashloop.checks.serving import has_database

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from crashloop.engines.base import Attempt
    from crashloop.trace.recorder import Recorder

LOOK_EVERY_S = 0.02
CONNECT_BOUND_S = 0.2
ASK_EVERY_S = 0.05
REQUEST_TIMEOUT_S = 5.0
READY_PATH = "/health/ready"
HTTP_OK = 200

# An app may answer anything, at any length. An answer over the first or last bound is unreadable.
MAX_ANSWER_BYTES = 64 * 1024
MAX_TEXT_CHARS = 40
MAX_PHASES = 50

# An app that has started and answers 4xx does not know the path, and never will.
REFUSED = range(400, 500)
MAX_REFUSALS = 10
ASK_AGAIN_S = 0.25

# Once the app calls itself ready, an answered message must be readable within this wall time, and
# once the message is readable, the app must call itself ready.
STORED_WITHIN_S = 5.0


class Visitor:
    """Visits every attempt at its address; one golden path for the whole run.

    Emits `port.opened`, `port.watched`, `probe.answered` (at each change), and for the golden path
    `golden.answered`, `golden.listed`, `golden.row`, or `golden.failed`. All times are wall times,
    as this is real work and not the incident's.
    """

    def __init__(
        self,
        *,
        key: str,
        recorder: Recorder,
        read_row: Callable[[str], Awaitable[dict[str, Any] | None]],
    ) -> None:
        self.finished = asyncio.Event()
        self._key = key
        self._recorder = recorder
        self._read_row = read_row
        self._answered = False
        self._confirmed = False
        self._waiting_since_ns = 0

    async def visit(self, one: Attempt) -> None:
        """Accompany one attempt until it has ended."""
        probes, opened = 0, False
        try:
            if one.address is None:  # it ended before anybody knew its address
                await one.ended.wait()
                return
            while not opened and not one.ended.is_set():
                answer = await _connect(one.address)
                opened = answer == 0
                probes += answer in {0, errno.ECONNREFUSED}
                if not opened:
                    await _pause(one.ended, LOOK_EVERY_S)
            if opened:
                data = {"port": one.address[1]}
                self._recorder.emit("harness", "port.opened", data, attempt=one.number)
                await self._use(one, one.address)
        finally:
            data = {"probes": probes, "opened": opened}
            self._recorder.emit("harness", "port.watched", data, attempt=one.number)

    async def _use(self, one: Attempt, address: tuple[str, int]) -> None:
        attempt, ended = one.number, one.ended
        host, port = address
        last: dict[str, Any] = {}
        # Plain HTTP to the app itself: no certificates to load, no proxy of the user's in between.
        transport = httpx.AsyncHTTPTransport(verify=False, trust_env=False)
        async with httpx.AsyncClient(
            base_url=f"http://{host}:{port}",
            timeout=REQUEST_TIMEOUT_S,
            headers={"accept-encoding": "identity"},
            transport=transport,
            trust_env=False,
        ) as client:
            refusals = 0
            while not ended.is_set() and not self.finished.is_set():
                answer = await self._readiness(client)
                status = answer["status_code"]
                is_refused = status in REFUSED
                if answer != last:
                    refusals, last = 0, answer
                    self._recorder.emit("harness", "probe.answered", answer, attempt=attempt)
                refusals += is_refused and self._has_started(attempt)
                if refusals == MAX_REFUSALS:
                    why = f"GET {READY_PATH} answered {status}, {refusals} times after start-up"
                    self._fail(attempt, why)
                if status == HTTP_OK:
                    is_ready = has_database(answer)
                    await self._walk(client, attempt, address, is_ready=is_ready)
                if not self.finished.is_set():
                    await _pause(ended, ASK_AGAIN_S if is_refused else ASK_EVERY_S)

    def _has_started(self, attempt: int) -> bool:
        return any(
            event.kind == "startup.completed" and event.attempt == attempt
            for event in self._recorder.events
        )

    async def _readiness(self, client: httpx.AsyncClient) -> dict[str, Any]:
        try:
            status_code, body = await _get(client, READY_PATH)
        except (TimeoutError, httpx.HTTPError) as error:
            return {"status_code": None, "error": type(error).__name__}
        phases = body.get("phases")
        if not isinstance(phases, dict):
            phases = {}
        elif len(phases) > MAX_PHASES:  # a part of them could hide that the database is away
            body, phases = {}, {}
        return {
            "status_code": status_code,
            "status": str(_short(body.get("status", ""))),
            "phases": {name[:MAX_TEXT_CHARS]: _short(state) for name, state in phases.items()},
        }

    async def _walk(
        self,
        client: httpx.AsyncClient,
        attempt: int,
        address: tuple[str, int],
        *,
        is_ready: bool,
    ) -> None:
        """One step of the golden path: send the message once, then look for it.

        The path ends when its row was read and the app calls itself ready, in either order.
        """
        if self._confirmed:
            self._finish_when_ready(attempt, is_ready=is_ready)
            return
        try:
            if not self._answered:
                await self._send(attempt, address)
                self._answered = True
                self._waiting_since_ns = 0
            listed = await self._listed(client)
        except (OSError, TimeoutError, WebSocketException, httpx.HTTPError, ValueError) as error:
            listed = None
            why = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        else:
            why = "the message was answered, but GET /messages does not list it"
        if listed is not None:
            await self._confirm(attempt, listed)
            self._finish_when_ready(attempt, is_ready=is_ready)
        elif is_ready and self._is_late():
            self._fail(attempt, f"{why}, {STORED_WITHIN_S:g} s after it called itself ready")

    async def _send(self, attempt: int, address: tuple[str, int]) -> None:
        host, port = address
        message = {"text": f"hello from attempt {attempt}", "key": self._key}
        async with (
            asyncio.timeout(REQUEST_TIMEOUT_S),
            connect(
                f"ws://{host}:{port}/ws/chat",
                proxy=None,
                compression=None,
                max_size=MAX_ANSWER_BYTES,
            ) as chat,
        ):
            await chat.send(json.dumps(message))
            answer = _parsed(await chat.recv())
        if not isinstance(answer, dict) or answer.get("key") != self._key:
            what = answer.get("error", answer) if isinstance(answer, dict) else answer
            raise ValueError(f"the chat answered {str(what)[:200]}")
        self._recorder.emit(
            "harness",
            "golden.answered",
            {
                "key": self._key,
                "stored": _short(answer.get("stored")),
                "reply": str(answer.get("reply"))[:200],
            },
            attempt=attempt,
        )

    async def _listed(self, client: httpx.AsyncClient) -> dict[str, Any] | None:
        status_code, body = await _get(client, "/messages", key=self._key)
        if status_code != HTTP_OK:
            raise ValueError(f"GET /messages answered {status_code}")
        messages = body.get("messages")
        found = [m for m in messages if isinstance(m, dict)] if isinstance(messages, list) else []
        return next((m for m in found if m.get("key") == self._key), None)

    async def _confirm(self, attempt: int, listed: dict[str, Any]) -> None:
        data = {"key": self._key, "id": _short(listed.get("id"))}
        self._recorder.emit("harness", "golden.listed", data, attempt=attempt)
        row = await self._read_row(self._key)
        if row is None:
            self._fail(attempt, "GET /messages lists the message, but Postgres has no such row")
            return
        self._recorder.emit("database", "golden.row", row, attempt=attempt)
        self._confirmed = True
        self._waiting_since_ns = 0

    def _finish_when_ready(self, attempt: int, *, is_ready: bool) -> None:
        if is_ready:
            self.finished.set()
        elif self._is_late():
            self._fail(attempt, f"stored, but not ready {STORED_WITHIN_S:g} s later")

    def _is_late(self) -> bool:
        """Whether the wait that began at the first call is over."""
        now_ns = time.monotonic_ns()
        self._waiting_since_ns = self._waiting_since_ns or now_ns
        return (now_ns - self._waiting_since_ns) / 1e9 > STORED_WITHIN_S

    def _fail(self, attempt: int, why: str) -> None:
        self._recorder.emit("harness", "golden.failed", {"why": why}, attempt=attempt)
        self.finished.set()


async def _connect(address: tuple[str, int]) -> int:
    """The result of a connect(): 0 if a process listens there, ECONNREFUSED if none does.

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


async def _get(client: httpx.AsyncClient, path: str, **params: str) -> tuple[int, dict[str, Any]]:
    """The status and the JSON object of an answer; an empty object if its body is unreadable.

    Nothing is decompressed, as a few bytes could become gigabytes.
    """
    body = bytearray()
    async with (
        asyncio.timeout(REQUEST_TIMEOUT_S),
        client.stream("GET", path, params=params) as response,
    ):
        async for part in response.aiter_raw():
            body += part
            if len(body) > MAX_ANSWER_BYTES:
                return response.status_code, {}
    try:
        answer = _parsed(bytes(body))
    except ValueError:
        answer = {}
    return response.status_code, answer if isinstance(answer, dict) else {}


def _parsed(text: str | bytes) -> Any:
    """The value that JSON text stands for; ValueError if it is unreadable."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("the app's answer is nested too deeply") from None


def _short(value: object) -> object:
    """The value in a form that fits into an event: text is cut, other types are only named."""
    if value is None or isinstance(value, int):
        return value
    return value[:MAX_TEXT_CHARS] if isinstance(value, str) else type(value).__name__


async def _pause(ended: asyncio.Event, seconds: float) -> None:
    """Wait until the time has passed or the attempt has ended."""
    try:
        async with asyncio.timeout(seconds):
            await ended.wait()
    except TimeoutError:
        return
