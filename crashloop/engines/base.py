"""The interface of an engine, on which a scenario runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from crashloop.supervisor.life import LifeProcess

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from crashloop.clock import TimeScale
    from crashloop.faults.ports import Ports
    from crashloop.model import Life, Scenario
    from crashloop.supervisor.life import BeforeRestart
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


class Attempt(Protocol):
    """One process life of the app: its name, and where it would listen, if known.

    `ended` is set when it has exited and its output was read.
    """

    @property
    def life(self) -> Life:
        """Which life of which replica it is."""

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port at which the harness reaches it; None if they are unknown."""

    @property
    def ended(self) -> asyncio.Event:
        """Set when it has exited and its output was read."""

    @property
    def said_ready(self) -> bool:
        """Whether a line of its output has matched `Ready.log`."""


class StartedLife(Attempt, LifeProcess, Protocol):
    """A life outside any platform: whoever started it also waits for it and ends it."""


class ReplicaSet(Protocol):
    """Starts and restarts the app's replicas: our own supervisor, or Docker itself."""

    async def run(self) -> None:
        """Return when no replica will be restarted again: each gave up, or `stop` was called."""

    async def stop(self) -> None:
        """End what runs, and restart nothing."""


class Engine(Protocol):
    """What a scenario runs on. Created by `open`, which also ends everything."""

    name: ClassVar[str]

    @classmethod
    def capabilities(cls) -> tuple[str, ...]:
        """What a scenario may rely on here."""

    @classmethod
    def require_possible(cls, scenario: Scenario) -> None:
        """Raise CapabilityError for a fault, a transport or a platform that is not to be had here.

        Starts nothing.
        """

    @classmethod
    def open(cls, setup: Setup) -> AbstractAsyncContextManager[Engine]:
        """Start the dependencies behind their paths; end everything on leaving, lives included.

        Raises CapabilityError if this machine or engine cannot run the scenario, HarnessError
        where something did not start.
        """

    @property
    def ports(self) -> Ports:
        """What faults act on: paths, databases, caches, replicas."""

    async def set_up(self, *, within_s: float) -> int | None:
        """Run the app's `setup` to its end, where and as the app runs; its exit status.

        None if it took longer and was ended. Its output is in `setup.log`.
        """

    async def start_life(self, life: Life) -> StartedLife:
        """Start one life of the app that no platform runs; before `replica_set` runs."""

    async def baseline(self) -> None:
        """Prove each dependency's path before any fault; then emit a `baseline.passed` for each."""

    def replica_set(
        self, on_attempt: Callable[[Attempt], None], before_restart: BeforeRestart
    ) -> ReplicaSet:
        """What runs the replicas on the scenario's platform; called once, before any fault.

        `on_attempt` is called with each life as it starts. A replica is started again only when
        `before_restart` has returned, unless Docker's own restart policy starts it, which waits for
        nobody.
        """

    async def count_sessions(self, life: Life) -> None:
        """Count what an ended life left in each Postgres; emits `database.backends` for each."""

    async def query(self, target: str, sql: str) -> Any:
        """The one value of a query, asked directly as superuser; None if there is no row or table.

        Waits while a planned fault stops the database.
        """

    async def fail_when_broken(self) -> None:
        """Wait for ever; HarnessError as soon as a server of the lab dies on its own."""
