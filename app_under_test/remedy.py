"""What a remedy may do in a start-up: the hooks, and how they wrap a phase's work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app_under_test.messages import Acknowledge, Message

Work = Callable[[], Awaitable[None]]
"""The work of a phase, which raises if it fails."""


class Remedy:
    """A remedy's hooks into start-up; each does nothing unless a subclass overrides it.

    A hook never ends start-up because the remedy itself cannot act: the remedy logs that, and
    start-up continues.
    """

    async def before(self, phase: str) -> None:
        """Run before the phase begins, outside its limit. A wait needs a bound of its own."""

    def limit_s(self, phase: str, limit_s: float) -> float:  # noqa: ARG002  for subclasses
        """Return the phase's limit; `limit_s` is the one so far. Asked after `before`."""
        return limit_s

    async def around(self, phase: str, work: Work) -> None:  # noqa: ARG002  for subclasses
        """Do the phase's work, under its limit; raises the error that ends the phase."""
        await work()

    async def after(self, phase: str, duration_s: float, error: Exception | None) -> None:
        """Run after the phase has ended and was logged, outside its limit."""

    def covers(self, phase: str, error: Exception) -> bool:  # noqa: ARG002  for subclasses
        """Return whether start-up continues although the phase failed. Every remedy is asked."""
        return False

    def keep(self, message: Message, acknowledge: Acknowledge) -> bool:  # noqa: ARG002  for subclasses
        """Keep a chat message that cannot be stored yet, and return whether it was kept.

        `acknowledge` is called with its key when it is stored. Raises QueueFullError or
        DatabaseAwayError if it cannot be kept either.
        """
        return False

    def serve(self) -> None:
        """Run when start-up is complete."""

    def cancelled(self) -> None:
        """Run when start-up was cancelled and everything is closed."""

    async def close(self) -> None:
        """Run first at shutdown, and after a start-up that failed or was cancelled."""
