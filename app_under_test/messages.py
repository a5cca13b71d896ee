"""The records of the chat: a message as it came and as it is stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from datetime import datetime

Acknowledge = Callable[[UUID], None]
"""Takes the key of a message that waited, once the message is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as its client sent it; a resend has the same `key`."""

    key: UUID
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A message as the database has it; `created_at` is UTC by the database's clock."""

    id: int
    key: UUID
    text: str
    created_at: datetime
