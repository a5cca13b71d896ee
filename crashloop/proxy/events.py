"""What the proxy calls when something happens."""

from __future__ import annotations

from typing import Protocol


class Emit(Protocol):
    """Takes an event at the instant it happens."""

    def __call__(self, kind: str, data: dict[str, object], /) -> int:
        """Record it; `data` is JSON-able. Returns the event's sequence number."""
