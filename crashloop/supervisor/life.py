"""One life of the app, as an engine offers it to whoever runs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from crashloop.model import Life

if TYPE_CHECKING:
    import signal


class LifeProcess(Protocol):
    """One life of the app, as an engine offers it: a process of this machine, or a container.

    An engine gives it from its `StartLife` and need not follow it further: whoever started it also
    waits for it and ends it.
    """

    @property
    def pid(self) -> int | None:
        """The id of the app's first process on this machine; None if it is not known."""

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port at which the harness reaches it; None if they are not known."""

    async def wait(self) -> int:
        """Its exit status: a code, or minus a signal's number.

        Returns once all of the life has ended, whatever it started included, and its output is
        read. If it is cancelled, `stop` is called next.
        """

    async def signal(self, number: signal.Signals) -> bool:
        """Send a signal to the app's first process, as the platform does.

        Returns whether it was sent, without waiting for the effect; False if the process has ended.
        After SIGKILL, `wait` returns soon.
        """

    async def stop(self) -> None:
        """Make all of it end, gently first, within a few seconds; nothing if it has ended."""


StartLife: TypeAlias = Callable[[Life], Awaitable[LifeProcess]]
"""Starts a life and returns as soon as its process runs.

If it is cancelled or fails, nothing that it has started may outlive the engine.
"""

BeforeRestart: TypeAlias = Callable[[Life, float], Awaitable[bool]]
"""Waits before a replica is started again, and returns whether there was anything to wait for.

Called when the back-off is over, with the life that died and the back-off in seconds of the
incident.
"""
