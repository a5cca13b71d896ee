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
            response = await client.get(READY_PATH)
        except httpx.HTTPError as error:
            return {"status_code": None, "error": type(error).__name__}
        body = _json(response)
        return {
            "status_code": response.status_code,
            "status": str(body.get("status", ""))[:40],
            "phases": body.get("phases") if isinstance(body.get("phases"), dict) else {},
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
            connect(f"ws://{host}:{port}/ws/chat", proxy=None, compression=None) as chat,
        ):
            await chat.send(json.dumps(message))
            answer = json.loads(await chat.recv())
        if not isinstance(answer, dict) or answer.get("key") != self._key:
            what = answer.get("error", answer) if isinstance(answer, dict) else answer
            raise ValueError(f"the chat answered {str(what)[:200]}")
        self._recorder.emit(
            "harness",
            "golden.answered",
            {
                "key": self._key,
                "stored": answer.get("stored"),
                "reply": str(answer.get("reply"))[:200],
            },
            attempt=attempt,
        )

    async def _listed(self, client: httpx.AsyncClient) -> dict[str, Any] | None:
        response = await client.get("/messages", params={"key": self._key})
        if response.status_code != HTTP_OK:
            raise ValueError(f"GET /messages answered {response.status_code}")
        messages = _json(response).get("messages")
        found = [m for m in messages if isinstance(m, dict)] if isinstance(messages, list) else []
        return next((m for m in found if m.get("key") == self._key), None)

    async def _confirm(self, attempt: int, listed: dict[str, Any]) -> None:
        self._recorder.emit(
            "harness", "golden.listed", {"key": self._key, "id": listed.get("id")}, attempt=attempt
        )
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


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


async def _pause(ended: asyncio.Event, seconds: float) -> None:
    """Wait until the time has passed or the attempt has ended."""
    try:
        async with asyncio.timeout(seconds):
            await ended.wait()
    except TimeoutError:
        return
