"""The user of the app, with apps whose answers are too long, too deep or too slow."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest
from journeys import App, OneLife, app_entry, first

from crashloop.apps import answers
from crashloop.apps.answers import leaves
from crashloop.model import RequestStep, WebSocketStep

READY = {"status": "ready", "phases": {"database": "complete"}}
IS_READY = {"phases": {"database": "complete"}}
LONG = json.dumps(READY | {"padding": "x" * answers.MAX_ANSWER_BYTES}).encode()
DEEP = b"[" * (answers.MAX_ANSWER_BYTES - 1)
UNREADABLE = {"ready": False, "status_code": 200, "answer": {}}
BOUND_S = 10.0


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(LONG, ""), (gzip.compress(LONG), "gzip"), (DEEP, ""), (b"ready", "")],
    ids=["long", "compressed", "deep", "not JSON"],
)
async def test_a_body_over_a_bound_is_unreadable_and_its_status_is_kept(
    body: bytes, encoding: str
) -> None:
    async with App(encoding=encoding).answers("/ready", body).serve() as life:
        answered = await first(app_entry(json=IS_READY), life, "ready.answered")

    assert answered.data == UNREADABLE


@pytest.mark.parametrize(
    ("part", "pause_s", "answer"),
    [
        (b"x" * 65536, 0.0, UNREADABLE | {"status_code": 503}),
        (b"x", 0.01, {"ready": False, "status_code": None, "error": "TimeoutError"}),
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
        monkeypatch.setattr(answers, "REQUEST_TIMEOUT_S", 0.2)
    server = await asyncio.start_server(stream, "127.0.0.1", 0)
    async with server, asyncio.timeout(BOUND_S):
        life = OneLife(address=server.sockets[0].getsockname())
        answered = await first(app_entry(), life, "ready.answered")
        assert await was_cut_off

    assert answered.data == answer


async def test_an_event_has_only_short_leaves_of_an_answer() -> None:
    phases = {"database": ["complete"], "cache": None, "n" * 99: "s" * 99, "models": 7}
    body = json.dumps({"status": "r" * 99, "phases": phases}).encode()
    async with App().answers("/ready", body).serve() as life:
        answered = await first(app_entry(), life, "ready.answered")

    assert answered.data["answer"] == {
        "status": "r" * 40,
        "phases.database": "list",
        "phases.cache": None,
        f"phases.{'n' * 40}": "s" * 40,
        "phases.models": 7,
    }


@pytest.mark.parametrize(
    ("value", "recorded"),
    [(True, True), (7, 7), (0.5, 0.5), ("i" * 1000, "i" * 40), (["i"] * 1000, "list"), (None, None),
     (10**400, "int"), (float("inf"), "float"), ({}, "dict")],
)  # fmt: skip
def test_a_leaf_of_an_answer_is_short(value: object, recorded: object) -> None:
    assert leaves({"id": value}) == {"id": recorded}


def test_an_answer_with_many_or_deep_leaves_is_cut() -> None:
    assert len(leaves({"phases": {f"{n}": n for n in range(999)}, "more": 1})) == 50
    deep: object = 1
    for _ in range(500):
        deep = {"a": deep}
    (path,) = leaves(deep)
    assert leaves(deep)[path] == "dict"


async def test_readiness_is_decided_on_the_whole_answer_and_not_on_what_an_event_has() -> None:
    many = json.dumps({"a": {f"{n}": n for n in range(999)}} | READY).encode()
    async with App().answers("/ready", many).serve() as life:
        answered = await first(app_entry(json=IS_READY), life, "ready.answered")

    assert answered.data["ready"] is True
    assert len(answered.data["answer"]) == 50


@pytest.mark.parametrize(
    ("chat", "why"),
    [
        (b"[" * 50_000, "the app's answer is nested too deeply"),
        (json.dumps({"key": "k", "reply": "x" * answers.MAX_ANSWER_BYTES}).encode(), "1009"),
        (b"no JSON", "Expecting value"),
        (
            json.dumps({"error": "e" * 9999}).encode(),
            "step 1, WebSocket /ws: answered {'error': 'e",
        ),
        (b"[7]", "answered list"),
    ],
    ids=["deep", "long", "not JSON", "another answer", "no object"],
)
async def test_a_message_without_the_expected_answer_fails_the_journey(
    chat: bytes, why: str
) -> None:
    step = WebSocketStep(path="/ws", send="hello", expect={"key": "k"})
    async with App(chat=chat).answers("/ready", b"{}").serve() as life:
        failed = await first(app_entry(step, within_s=0.0), life, "journey.failed")

    assert why in failed.data["why"]
    assert len(failed.data["why"]) < 500


async def test_a_page_over_the_bound_does_not_contain_what_is_looked_for() -> None:
    step = RequestStep(method="GET", path="/list", contains="x")
    app = App().answers("/ready", b"{}").answers("/list", LONG)
    async with app.serve() as life:
        failed = await first(app_entry(step, within_s=0.0), life, "journey.failed")

    assert (
        "step 1, GET /list: answered 200 with more than 65536 bytes, which are not read, 0 s after"
        in failed.data["why"]
    )
