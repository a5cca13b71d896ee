"""Circuit breaker: while the database keeps failing, requests fail at once and do not wait."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

from app_under_test.remedy import Remedy

if TYPE_CHECKING:
    from app_under_test.context import Context
    from app_under_test.remedy import Work


class CircuitBreaker(Remedy):
    """Puts a circuit breaker between the chat and the database. It acts on requests, not on starts.

    Its library is loaded in phase dependencies, and it is put in place in phase services.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    async def around(self, phase: str, work: Work) -> None:
        """Do the phase's work and then this remedy's part of it."""
        await work()
        if phase == "dependencies":
            await asyncio.to_thread(import_module, "app_under_test.circuit")
        elif phase == "services":
            self._guard()

    def _guard(self) -> None:
        from app_under_test.circuit import Circuit, GuardedStore  # noqa: PLC0415  loaded before

        settings, chat = self._context.settings, self._context.chat
        assert chat is not None, "phase services built no chat"
        circuit = Circuit(
            threshold=settings.circuit_threshold,
            open_s=settings.circuit_open_s,
            log=self._context.log,
        )
        chat.store = GuardedStore(chat.store, circuit)
