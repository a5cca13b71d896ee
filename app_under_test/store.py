"""The store of messages: what the chat writes and `GET /messages` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sqlalchemy import text

from app_under_test.database import DRIVER_ERRORS
from app_under_test.failure import DatabaseAwayError
from app_under_test.messages import StoredMessage

if TYPE_CHECKING:
    from uuid import UUID

    from app_under_test.database import Database
    from app_under_test.messages import Message


class Store(Protocol):
    """Where the chat's messages are. Both methods raise DatabaseAwayError if that fails."""

    async def add(self, message: Message) -> StoredMessage:
        """Store the message, or return the one stored under the same key."""

    async def newest(self, *, limit: int, key: UUID | None = None) -> list[StoredMessage]:
        """Return the newest messages, newest first; with a key, that one or none."""


class MessageStore:
    """Reads and writes messages. Every method raises DatabaseAwayError when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database
        row = f"id, client_id, {database.text_column}, created_at"
        self._insert = text(
            f"INSERT INTO messages (client_id, {database.text_column}) VALUES (:key, :text)"  # noqa: S608  the settings check it
            f" ON CONFLICT (client_id) DO NOTHING RETURNING {row}"
        )
        self._by_key = text(f"SELECT {row} FROM messages WHERE client_id = :key")  # noqa: S608
        self._newest = text(f"SELECT {row} FROM messages ORDER BY id DESC LIMIT :limit")  # noqa: S608

    async def add(self, message: Message) -> StoredMessage:
        """Store the message, or return the one stored under the same key."""
        try:
            async with self._database.begin() as connection:
                parameters = {"key": message.key, "text": message.text}
                row = (await connection.execute(self._insert, parameters)).one_or_none()
                if row is None:
                    row = (await connection.execute(self._by_key, {"key": message.key})).one()
        except DRIVER_ERRORS as error:
            raise DatabaseAwayError(f"the message {message.key} was not stored") from error
        return StoredMessage(id=row[0], key=row[1], text=row[2], created_at=row[3])

    async def newest(self, *, limit: int, key: UUID | None = None) -> list[StoredMessage]:
        """Return the newest messages, newest first; with a key, that one or none."""
        try:
            async with self._database.begin() as connection:
                result = (
                    await connection.execute(self._newest, {"limit": limit})
                    if key is None
                    else await connection.execute(self._by_key, {"key": key})
                )
                rows = result.all()
        except DRIVER_ERRORS as error:
            raise DatabaseAwayError("the messages could not be read") from error
        return [StoredMessage(id=r[0], key=r[1], text=r[2], created_at=r[3]) for r in rows]
