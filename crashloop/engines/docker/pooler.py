"""PgBouncer as a container between Toxiproxy and Postgres, where a scenario wants a pooler."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any

from crashloop.engines.docker.capability import POSTGRES
from crashloop.engines.docker.container_log import ContainerLog
from crashloop.engines.docker.daemon import sdk_errors
from crashloop.engines.docker.images import variable
from crashloop.engines.docker.threads import blocking
from crashloop.engines.pgbouncer import (
    PROGRAM,
    READY,
    VERSION,
    WANTED,
    configuration,
    is_new_enough,
    session_through,
    users_file,
)
from crashloop.errors import CapabilityError, HarnessError
from crashloop.proxy.address import Address

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    import asyncpg

    from crashloop.engines.docker.project import Project
    from crashloop.trace.recorder import Recorder

ROLE_NAME = "pgbouncer"
PORT = 5432  # Postgres' own: the witness knows both ends of a link by one port
START_BOUND_S = 30.0
TAIL_LINES = 12
CONFIGURATION, USERS = "/etc/crashloop-pgbouncer.ini", "/etc/crashloop-pgbouncer-users"
_NO_PROGRAM = "executable file not found"
_ANOTHER = f"name another image with {variable('pooler_image')}"


class Pooler:
    """The run's PgBouncer, on the network of the servers alone; `address` is its own there.

    Its clients are the app's role alone, with its password.
    """

    def __init__(
        self, project: Project, image: str, *, mode: str, password: str, recorder: Recorder
    ) -> None:
        self.address = ""
        self._project = project
        self._image = image
        self._mode = mode
        self._password = password
        self._recorder = recorder
        self._id = ""
        self._lines: deque[str] = deque(maxlen=TAIL_LINES)
        self._version = ""
        self._said = asyncio.Event()

    async def start(self, network: Any) -> None:
        """Start the container on `network`, and wait until it listens; emits `pooler.started`.

        Raises CapabilityError for an image without a PgBouncer that is new enough, HarnessError,
        with its last lines, where PgBouncer does not start.
        """
        with self._project.interference.ours(ROLE_NAME):  # if it ends, its own words say more
            await blocking(self._start, network)
            ContainerLog(
                self._project.daemon,
                self._id,
                since_ns=0,
                on_line=self._on_line,
                on_end=self._said.set,
            )
            await self._listening()
        data = {"port": PORT, "mode": self._mode, "version": self._version}
        self._recorder.emit("pooler", "pooler.started", data, target=POSTGRES)

    def session(self) -> AbstractAsyncContextManager[asyncpg.Connection[Any]]:
        """A new connection of the app's role through it, closed on leaving.

        Raises HarnessError if it does not answer.
        """
        return session_through(Address(host=self.address, port=PORT), self._password)

    def _start(self, network: Any) -> None:
        container = self._project.container(
            ROLE_NAME,
            self._image,
            network=network,
            entrypoint=[PROGRAM],
            command=[CONFIGURATION],
        )
        text = configuration(
            listen=Address(host="0.0.0.0", port=PORT),  # noqa: S104  its own network
            postgres=Address(host=self._project.name(POSTGRES), port=PORT),
            users=USERS,
            mode=self._mode,
        )
        # The image chooses the user, so everybody in the container may read them.
        container.with_copy_into_container(text.encode(), CONFIGURATION, 0o444)
        container.with_copy_into_container(users_file(self._password).encode(), USERS, 0o444)
        try:
            self.address = self._project.start(container, network)
        except HarnessError as error:
            if _NO_PROGRAM not in error.message:
                raise
            raise CapabilityError(
                f"the image {self._image} has no {PROGRAM} on its PATH", hint=_ANOTHER
            ) from error
        self._id = str(container.get_container_id())

    async def _listening(self) -> None:
        """Wait until it says that it is up; raises what `start` raises."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_BOUND_S):
                await self._said.wait()
        if not self._version:
            why = f"did not listen within {START_BOUND_S:g} s"
            if self._said.is_set():
                why = f"ended with {await blocking(self._exit_code)} before it listened"
            raise HarnessError(
                f"PgBouncer ({self._image}) {why}. Its last lines:\n{self._tail()}",
                hint=f"see pgbouncer.log in the artifacts, or {_ANOTHER}",
            )
        if not is_new_enough(self._version):
            raise CapabilityError(
                f"the image {self._image} has {self._version}, and PgBouncer {WANTED} is needed. "
                f"Its last lines:\n{self._tail()}",
                hint=f"{_ANOTHER}: PgBouncer {WANTED} or later",
            )

    def _on_line(self, text: str, _: int) -> None:
        self._lines.append(text)
        if READY in text and not self._said.is_set():
            found = VERSION.search(text)
            self._version = found[0] if found else text
            self._said.set()

    def _exit_code(self) -> int:
        with sdk_errors("the end of PgBouncer's container could not be seen"):
            seen = self._project.daemon.api.inspect_container(self._id)
        return int(seen["State"]["ExitCode"])

    def _tail(self) -> str:
        return "\n".join(f"    {line}" for line in self._lines) or "    (it printed nothing)"
