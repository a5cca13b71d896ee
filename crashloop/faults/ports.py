"""What a fault may act on: the ports that an engine offers, each raising CapabilityError if not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    import signal
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from crashloop.model import Launch, Life
    from crashloop.proxy.faults import Fault as ProxyFault


class Path(Protocol):
    """The proxied path to a dependency."""

    async def inject(self, fault_id: str, fault: ProxyFault) -> None:
        """Inject the proxy's fault; it acts when this returns."""

    async def heal(self, fault_id: str) -> None:
        """Heal it; what it held is released when this returns."""


AccessPart: TypeAlias = Literal["role", "password", "database"]
"""What the app gets into a Postgres with."""


class Database(Protocol):
    """A real Postgres, reached without its path."""

    def session(self, *, superuser: bool) -> AbstractAsyncContextManager[Any]:
        """A new asyncpg connection of the superuser, or of the app's role.

        On leaving, its backend has ended: its slot and its locks are free. Raises asyncpg's
        PostgresError if the server refuses it, HarnessError if it does not answer.
        """

    def stopped(self) -> AbstractAsyncContextManager[None]:
        """While entered, every process of the server is stopped by SIGSTOP.

        The harness's own questions wait. Emits `process.stopped` and `process.continued` of the
        target, each as /proc says.
        """

    def starting(self) -> AbstractAsyncContextManager[None]:
        """While entered, the server is a standby that answers 57P03; on leaving it is promoted.

        The harness's own questions wait, and the restart is no death of the lab. Emits
        `database.starting` and `database.promoted`, each as the server itself says.
        """

    def recovering(self) -> AbstractAsyncContextManager[None]:
        """While entered, the server, which was stopped immediately, recovers and answers 57P03.

        The harness's own questions wait, and the restart is no death of the lab. Emits
        `database.recovering` and `database.recovered`, each as the server itself says.
        """

    def full_disk(self) -> AbstractAsyncContextManager[None]:
        """While entered, the disk with the app's database is full.

        The server may be restarted before; the harness's own questions wait. Emits
        `database.disk_full` and `database.disk_freed`, each as the server itself says.
        """

    def changed_access(
        self, part: AccessPart, *, to: str = ""
    ) -> AbstractAsyncContextManager[None]:
        """While entered, the name of the app's role, its password, or its database is another.

        What is changed becomes `to`, or a random text. The app has what it had before; sessions
        that are open go on, and the harness's own are opened with what it is now. UsageError if the
        part is changed already.
        """


class Cache(Protocol):
    """A Redis, reached without its path."""

    def loading(self) -> AbstractAsyncContextManager[None]:
        """While entered, it answers every command with -LOADING.

        Emits `cache.loading` and `cache.loaded` of the target, each as the server itself says.
        """

    def stopped(self) -> AbstractAsyncContextManager[None]:
        """While entered, every process of the server is stopped.

        Emits `process.stopped` and `process.continued` of the target, each as /proc says.
        """


class Pooler(Protocol):
    """A pooler between a Postgres and its path, reached without the path."""

    def session(self) -> AbstractAsyncContextManager[Any]:
        """A new asyncpg connection of the app's role through it, which is closed on leaving.

        Raises HarnessError if it does not answer.
        """


class Revisions(Protocol):
    """The old revision of the app beside the new one."""

    def overlapping(
        self,
    ) -> AbstractAsyncContextManager[Callable[[], Awaitable[Mapping[str, int]]]]:
        """While entered, the scenario's old instances run and are ready; they have ended after it.

        Gives what counts the sessions that they hold at that moment, by dependency, as each
        Postgres says. On leaving, those are gone, too.
        """


class Lives(Protocol):
    """The lives of the app's new revision, each a process of this machine."""

    def launched(self, change: Launch) -> AbstractAsyncContextManager[None]:
        """While entered, each life is started with this change; those that run stay as they are."""

    def started(self) -> AsyncGenerator[tuple[Life, int], None]:
        """Each life with its process, as soon as that has become the app; the running ones first.

        It never ends.
        """

    def running(self) -> Sequence[tuple[Life, int]]:
        """The lives that run now, each with its process."""

    def address(self, life: Life) -> tuple[str, int]:
        """Where the harness and the platform ask a life."""

    async def signal(self, life: Life, number: signal.Signals) -> bool:
        """Send a signal to a life's process; False if it has ended."""

    async def status(self, life: Life) -> int:
        """Wait for a life's end: its exit code, or minus a signal's number, as the system says."""


class Quotas(Protocol):
    """What the kernel holds the app's lives to."""

    def memory(
        self, limit_bytes: int, *, fault: str, old_limit_bytes: int = 0
    ) -> AbstractAsyncContextManager[None]:
        """While entered, the kernel ends each life that has more memory than that.

        Emits `process.memory_exceeded` for each; and with an old limit, which is smaller,
        `process.memory_over_old_limit` for each life that has more memory than that.
        """

    def cpu(self, share: float, *, fault: str) -> AbstractAsyncContextManager[None]:
        """While entered, the kernel lets each life run for that share of the time of one CPU.

        Emits `process.cpu_withheld` for each life that had to wait.
        """


class Names(Protocol):
    """The names by which the app reaches its dependencies."""

    def answered(
        self, target: str, addresses: tuple[str, ...], *, fault: str, after_s: float = 0.0
    ) -> AbstractAsyncContextManager[None]:
        """While entered, new lives find these addresses for the target's name.

        Each look-up takes `after_s` more. Emits `name.asked` and `name.answered` of the target for
        each, with the process that looked it up. On leaving, who waits is answered, and running
        lives find what this machine says.
        """


class Ports(Protocol):
    """An engine's ports. Each method raises CapabilityError for what it does not offer."""

    def path(self, target: str) -> Path:
        """The proxied path to a dependency."""

    def path_at(self, target: str, host: str) -> AbstractAsyncContextManager[Path]:
        """A second path to a dependency while entered: the first one's port at another address.

        Its events are the target's, and have that address as `at`. CapabilityError if this machine
        does not have the address or somebody listens there.
        """

    def database(self, target: str) -> Database:
        """A Postgres."""

    def pooler(self, target: str) -> Pooler:
        """The pooler of a Postgres."""

    def cache(self, target: str) -> Cache:
        """A Redis."""

    def revisions(self) -> Revisions:
        """The old revision's instances."""

    def lives(self) -> Lives:
        """The app's own processes."""

    def quotas(self) -> Quotas | None:
        """What the kernel holds the app's lives to; None where it holds them to nothing."""

    def names(self) -> Names:
        """The names by which the app reaches its dependencies."""

    def emit(
        self, source: str, kind: str, target: str, *, life: Life | None = None, **data: Any
    ) -> None:
        """Record an event of a target, and of a life if it is about one."""
