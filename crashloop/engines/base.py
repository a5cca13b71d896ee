"""The interface of an engine, on which a scenario runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from crashloop.clock import TimeScale
    from crashloop.faults.injector import Injector
    from crashloop.model import Scenario
    from crashloop.trace.recorder import Recorder


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What an engine is given for one run: `artifacts` is where logs go, `recorder` takes events.

    `postgres_bin` names Postgres' binaries; None lets the engine find them.
    """

    scenario: Scenario
    seed: int
    scale: TimeScale
    recorder: Recorder
    artifacts: Path
    postgres_bin: Path | None = None

    def timers(self) -> dict[str, str]:
        """The app's timers as environment variables, in wall seconds."""
        return {
            name: f"{self.scale.wall_s(seconds):.6f}"
            for name, seconds in self.scenario.app.timers_s.items()
        }


class Attempt(Protocol):
    """One process life of the app: its number from 1, and where it would listen, if known.

    `ended` is set when it has exited and its output was read.
    """

    @property
    def number(self) -> int:
        """Which life of the run it is, from 1."""

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port at which the harness reaches it; None if they are unknown."""

    @property
    def ended(self) -> asyncio.Event:
        """Set when it has exited and its output was read."""


class Platform(Protocol):
    """Starts and restarts the app: our own supervisor, or Docker itself."""

    async def run(self) -> None:
        """Return when it will not restart again: the policy gave up, or `stop` was called."""

    async def stop(self) -> None:
        """End the running attempt, if any, and do not restart it."""


class Engine(Protocol):
    """What a scenario runs on. Created by `open`, which also ends everything."""

    name: ClassVar[str]

    @property
    def proxy(self) -> Injector:
        """The injector of faults between the app and Postgres."""

    @classmethod
    def capabilities(cls) -> tuple[str, ...]:
        """What a scenario may rely on here."""

    @classmethod
    def open(cls, setup: Setup) -> AbstractAsyncContextManager[Engine]:
        """Start database, cache and proxy; end everything on leaving, attempts included.

        Raises CapabilityError if this machine or engine cannot run the scenario, HarnessError
        where something did not start.
        """

    async def baseline(self) -> None:
        """Prove the path before any fault by a query along it; emits `baseline.passed`."""

    def platform(self, on_attempt: Callable[[Attempt], None]) -> Platform:
        """What runs attempts under the scenario's restart policy.

        `on_attempt` is called with each as it starts.
        """

    async def count_backends(self, attempt: int) -> None:
        """Count what an ended attempt left in Postgres; emits `database.backends`."""

    async def read_row(self, key: str) -> dict[str, Any] | None:
        """The stored chat message with this key, read directly from Postgres."""

    async def fail_when_broken(self) -> None:
        """Wait for ever; HarnessError as soon as a server of the lab dies on its own."""
