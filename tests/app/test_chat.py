from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import pytest

from app_under_test.chat import MAX_TEXT_BYTES, BadMessageError, Connections, parse

if TYPE_CHECKING:
    from fastapi import WebSocket

KEY = "6f1e7a3c-0f5e-4b58-9d0c-0c5b7a6f9d11"


def test_a_message_keeps_its_text_and_its_key() -> None:
    message = parse(json.dumps({"text": "hello", "key": KEY}))
    assert (message.text, str(message.key)) == ("hello", KEY)


def test_a_message_without_a_key_gets_a_new_one() -> None:
    assert parse('{"text": "hello"}').key != parse('{"text": "hello"}').key


def test_the_longest_text_fits() -> None:
    assert parse(json.dumps({"text": "x" * MAX_TEXT_BYTES})).text == "x" * MAX_TEXT_BYTES


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"text": ""}',
        '{"text": 7}',
        '{"text": "a\\u0000b"}',
        '{"text": "\\ud800"}',
        '{"text": "a", "key": "not-a-uuid"}',
        '{"text": "a", "key": 7}',
        json.dumps({"text": "é" * (MAX_TEXT_BYTES // 2 + 1)}),
        json.dumps({"text": "x" * 100_000}),
        "[" * 15_000,
    ],
    ids=lambda frame: frame[:30],
)
def test_a_frame_that_is_not_a_message_is_refused(frame: str) -> None:
    with pytest.raises(BadMessageError):
        parse(frame)


def test_open_chats_are_bounded_and_a_closed_chat_frees_its_place() -> None:
    connections = Connections(limit=1)
    first, second = cast("WebSocket", object()), cast("WebSocket", object())
    with connections.holding(first) as placed, connections.holding(second) as refused:
        assert placed
        assert not refused
    with connections.holding(second) as placed:
        assert placed
