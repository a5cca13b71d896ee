"""The chat: a message comes in, is stored and is answered."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from app_under_test.failure import DatabaseAwayError, QueueFullError, describe, summary
from app_under_test.messages import Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fastapi import WebSocket

    from app_under_test.log import Log
    from app_under_test.messages import Acknowledge, StoredMessage
    from app_under_test.remedy import Remedy
    from app_under_test.store import Store

MAX_TEXT_BYTES = 4096
MAX_FRAME_CHARS = 4 * MAX_TEXT_BYTES


class BadMessageError(Exception):
    """The client's frame is not a message; the text says how to send one."""


class Connections:
    """The register of open chats, at most `limit` at once."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._open: set[WebSocket] = set()

    @contextmanager
    def holding(self, socket: WebSocket) -> Iterator[bool]:
        """Hold a place for the length of the block; False if there is none."""
        if len(self._open) >= self._limit:
            yield False
            return
        self._open.add(socket)
        try:
            yield True
        finally:
            self._open.discard(socket)


class Chat:
    """Answers messages: stored, or kept by a remedy until they can be stored."""

    def __init__(self, store: Store, *, log: Log, remedies: Sequence[Remedy]) -> None:
        self.store = store
        self._log = log
        self._remedies = remedies

    async def answer(self, frame: str, acknowledge: Acknowledge) -> dict[str, Any]:
        """Answer one frame: `{id, key, text, reply, stored}`, or `{error}` with `key` if known.

        If `stored` is false, the message is kept, and `acknowledge` is called when it is stored.
        """
        try:
            message = parse(frame)
        except BadMessageError as error:
            return {"error": str(error)}
        try:
            stored = await self._store_or_keep(message, acknowledge)
        except QueueFullError as error:
            return {"error": str(error), "key": str(message.key)}
        except DatabaseAwayError as error:
            self._log.emit(
                "chat.not_stored", summary(error), severity="ERROR", error=describe(error)
            )
            return {"error": f"{error}; send it again later", "key": str(message.key)}
        return {
            "id": None if stored is None else stored.id,
            "key": str(message.key),
            "text": message.text if stored is None else stored.text,
            "reply": f"You said: {message.text if stored is None else stored.text}",
            "stored": stored is not None,
        }

    async def _store_or_keep(
        self, message: Message, acknowledge: Acknowledge
    ) -> StoredMessage | None:
        if any(remedy.keep(message, acknowledge) for remedy in self._remedies):
            return None
        stored = await self.store.add(message)
        self._log.emit(
            "chat.stored",
            f"Message {stored.id} is stored",
            message_id=stored.id,
            key=str(stored.key),
            waited=False,
        )
        return stored


def parse(frame: str) -> Message:
    """Read `{"text": "...", "key": "<uuid, optional>"}`. Raises BadMessageError."""
    if len(frame) > MAX_FRAME_CHARS:
        raise BadMessageError(f"the frame is longer than {MAX_FRAME_CHARS} characters")
    try:
        value = json.loads(frame)
    except (ValueError, RecursionError):
        value = None
    text = value.get("text") if isinstance(value, dict) else None
    if not isinstance(text, str) or not text:
        raise BadMessageError('send JSON such as {"text": "hello"}, the text not empty')
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError:
        raise BadMessageError("the text holds half a surrogate pair") from None
    if size_bytes > MAX_TEXT_BYTES:
        raise BadMessageError(f"the text is {size_bytes} bytes long, at most {MAX_TEXT_BYTES} fit")
    if "\0" in text:
        raise BadMessageError("the text holds a NUL character")
    given = value.get("key")
    try:
        key = uuid4() if given is None else UUID(given)
    except (ValueError, AttributeError, TypeError):
        raise BadMessageError("the key is not a UUID") from None
    return Message(key=key, text=text)
