"""Postgres as a container, and the harness's direct connection to it."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING, Any

import asyncpg

from crashloop.engines.inspector import QUERY_BOUND_S, Inspector
from crashloop.engines.template import DATABASE, ROLE, SUPERUSER
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from crashloop.engines.docker.project import Project

PORT = 5432
READY_BOUND_S = 60.0
ASK_EVERY_S = 0.02
ROLE_NAME = "postgres"
# What a client sees before the server has opened its port, or while it is starting up.
_NOT_YET = (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError)

_SETTINGS = ("-c", "log_connections=on", "-c", "log_disconnections=on", "-c", "log_timezone=UTC")


class Database:
    """The run's Postgres, as the official image runs it: first `start`, then `ready`.

    The app gets a role that owns its database and may do nothing else.
    """

    def __init__(self, project: Project, image: str) -> None:
        self.address = ""
        self.app_password = secrets.token_hex(16)
        self.superuser_password = secrets.token_hex(16)
        self._project = project
        self._image = image
        self._connection: asyncpg.Connection[Any] | None = None

    def start(self, network: Any) -> None:
        """Start the container on `network`. Blocking."""
        container = self._project.container(
            ROLE_NAME,
            self._image,
            network=network,
            command=["postgres", *_SETTINGS],
            environment={
                "POSTGRES_USER": SUPERUSER,
                "POSTGRES_PASSWORD": self.superuser_password,
                "POSTGRES_DB": DATABASE,
            },
        )
        self.address = self._project.start(container, network)

    async def ready(self) -> Inspector:
        """Wait until it answers, and create the app's role; returns the harness's own access."""
        self._connection = await self._connect()
        # The password is hexadecimal digits, and DDL takes no parameters.
        await self._connection.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{self.app_password}'")
        await self._connection.execute(f"ALTER DATABASE {DATABASE} OWNER TO {ROLE}")
        return Inspector(self._connection)

    def close(self) -> None:
        """Drop the connection; the container is removed with its project."""
        if self._connection is not None:
            self._connection.terminate()

    async def _connect(self) -> asyncpg.Connection[Any]:
        until_s = time.monotonic() + READY_BOUND_S
        while True:
            try:
                return await asyncpg.connect(
                    host=self.address,
                    port=PORT,
                    user=SUPERUSER,
                    password=self.superuser_password,
                    database=DATABASE,
                    timeout=QUERY_BOUND_S,
                )
            except (*_NOT_YET, TimeoutError) as error:
                if time.monotonic() > until_s:
                    raise HarnessError(
                        f"Postgres ({self._image}) did not answer at {self.address}:{PORT} within "
                        f"{READY_BOUND_S:g} s: {type(error).__name__}: {error}",
                        hint="see postgres.log in the artifacts",
                    ) from error
                # A server in another network namespace gives no event when it is ready.
                await asyncio.sleep(ASK_EVERY_S)
