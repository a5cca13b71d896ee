"""The user of the app, with apps whose answers are too long, too deep or too slow."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from docker_cases import recorder
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from crashloop import visitor
from crashloop.visitor import Visitor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.trace.event import Event

READY = {"status": "ready", "phases": {"database": "complete"}}
LONG = json.dumps(READY | {"padding": "x" * visitor.MAX_ANSWER_BYTES}).encode()
DEEP = b"[" * (visitor.MAX_ANSWER_BYTES - 1)
MANY = json.dumps({"status": "ready", "phases": {f"{n}": "complete" for n in range(51)}}).encode()
UNREADABLE = {"status_code": 200, "status": "", "phases": {}}
BOUND_S = 10.0


@dataclass(slots=True, kw_only=True)
class Life:
    address: tuple[str, int] | None
    number: int = 1
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class App:
    """Answers each path with its bytes, and every chat message with `chat`."""

    def __init__(self, *, chat: bytes = b"", encoding: str = "", **answers: bytes) -> None:
        self._chat = chat
        self._encoding = encoding
        self._answers = answers

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[Life]:
        """A life of the app that listens."""
        async with (
            serve(self._talk, "127.0.0.1", 0, process_request=self._answer) as server,
            asyncio.timeout(BOUND_S),
        ):
            yield Life(address=next(iter(server.sockets)).getsockname())

    async def _talk(self, chat: ServerConnection) -> None:
        await chat.recv()
        await chat.send(self._chat, text=True)
        await chat.wait_closed()

    def _answer(self, _: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0].rpartition("/")[2]
        if path not in self._answers:
            return None
        body = self._answers[path]
        headers = Headers({"content-length": str(len(body)), "connection": "close"})
        if self._encoding:
            headers["content-encoding"] = self._encoding
        return Response(200, "OK", headers, body)


async def first(life: Life, kind: str) -> Event:
    """The first event of this kind in a visit of `life`, which ends then."""
    found: list[Event] = []

    def listen(event: Event) -> None:
        if event.kind == kind and not found:
            found.append(event)
            life.ended.set()

    async def read_row(key: str) -> dict[str, Any]:
        return {"key": key}

    events = recorder()
    events.subscribe(listen)
    await Visitor(key="k", recorder=events, read_row=read_row).visit(life)
    return found[0]


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(LONG, ""), (gzip.compress(LONG), "gzip"), (DEEP, ""), (MANY, "")],
    ids=["long", "compressed", "deep", "many phases"],
)
async def test_a_body_over_a_bound_is_unreadable_and_its_status_is_kept(
    body: bytes, encoding: str
) -> None:
    async with App(ready=body, encoding=encoding).serve() as life:
        answered = await first(life, "probe.answered")

    assert answered.data == UNREADABLE


@pytest.mark.parametrize(
    ("part", "pause_s", "answer"),
    [
        (b"x" * 65536, 0.0, UNREADABLE | {"status_code": 503}),
        (b"x", 0.01, {"status_code": None, "error": "TimeoutError"}),
    ],
    ids=["fast", "slow"],
)
async def test_an_answer_without_end_does_not_hold_the_run_up(
    monkeypatch: pytest.MonkeyPatch, part: bytes, pause_s: float, answer: dict[str, Any]
) -> None:
    was_cut_off = asyncio.get_running_loop().create_future()

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 503 x\r\nconnection: close\r\n\r\n")
            for _ in range(1024):  # 64 MiB, or 10 s
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause_s)  # the app's own slowness; no test waits for it
            was_cut_off.set_result(False)
        except asyncio.IncompleteReadError:  # a probe of the port
            pass
        except ConnectionError:
            was_cut_off.set_result(True)
        finally:
            writer.close()

    if pause_s:
        monkeypatch.setattr(visitor, "REQUEST_TIMEOUT_S", 0.2)
    server = await asyncio.start_server(stream, "127.0.0.1", 0)
    async with server, asyncio.timeout(BOUND_S):
        answered = await first(Life(address=server.sockets[0].getsockname()), "probe.answered")
        assert await was_cut_off

    assert answered.data == answer


async def test_an_event_has_only_short_facts_of_the_phases() -> None:
    phases = {"database": ["complete"], "cache": None, "n" * 99: "s" * 99, "models": 7}
    body = json.dumps({"status": "r" * 99, "phases": phases}).encode()
    async with App(ready=body).serve() as life:
        answered = await first(life, "probe.answered")

    assert answered.data["status"] == "r" * 40
    short = {"database": "list", "cache": None, "n" * 40: "s" * 40, "models": 7}
    assert answered.data["phases"] == short


@pytest.mark.parametrize(
    ("chat", "why"),
    [
        (b"[" * 50_000, "the app's answer is nested too deeply"),
        (json.dumps({"key": "k", "reply": "x" * visitor.MAX_ANSWER_BYTES}).encode(), "1009"),
        (b"no JSON", "JSONDecodeError"),
    ],
    ids=["deep", "long", "not JSON"],
)
async def test_an_unreadable_chat_message_fails_the_golden_path(
    monkeypatch: pytest.MonkeyPatch, chat: bytes, why: str
) -> None:
    monkeypatch.setattr(visitor, "STORED_WITHIN_S", 0.0)
    async with App(ready=json.dumps(READY).encode(), chat=chat).serve() as life:
        failed = await first(life, "golden.failed")

    assert why in failed.data["why"]


@pytest.mark.parametrize(
    ("value", "recorded"),
    [(True, True), (7, 7), ("i" * 1000, "i" * 40), (["i"] * 1000, "list"), (None, None)],
)
async def test_an_event_has_only_short_facts_of_a_message(value: object, recorded: object) -> None:
    def app() -> App:
        return App(
            ready=json.dumps(READY).encode(),
            chat=json.dumps({"key": "k", "stored": value}).encode(),
            messages=json.dumps({"messages": [{"key": "k", "id": value}]}).encode(),
        )

    async with app().serve() as life:
        answered = await first(life, "golden.answered")
    async with app().serve() as life:
        listed = await first(life, "golden.listed")

    assert answered.data["stored"] == recorded
    assert listed.data["id"] == recorded
