"""The app's paths to its dependencies, each the only one.

To Postgres: the side-car's socket, then Toxiproxy; over TCP Toxiproxy alone. To Redis: the
side-car's port.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from crashloop.engines.docker.capability import POSTGRES, REDIS
from crashloop.engines.docker.conversation import Conversation
from crashloop.engines.docker.daemon import sdk_errors, unreachable
from crashloop.engines.docker.owner import boot_id
from crashloop.engines.docker.sidecar import API_PORT, Sidecar, answering
from crashloop.engines.inspector import QUERY_BOUND_S
from crashloop.engines.template import DATABASE, ROLE
from crashloop.errors import HarnessError
from crashloop.model import Transport
from crashloop.proxy.address import Address
from crashloop.proxy.control.toxiproxy import ToxiproxyControl

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from crashloop.engines.docker.images import Images
    from crashloop.engines.docker.project import Project
    from crashloop.engines.remote_proxy import EmitAt

SIDECAR = "sidecar"
TOXIPROXY = "toxiproxy"
POSTGRES_PORT = 5432
REDIS_PORT = 6379
SOCKETS = "/cloudsql"
INSTANCE = "lab:local:postgres"  # the shape of Cloud SQL's PROJECT:REGION:INSTANCE
SOCKET = ".s.PGSQL.5432"
BASELINE_BOUND_S = 30.0


class Paths:
    """The side-car and Toxiproxy: started, then connected to each dependency."""

    def __init__(
        self, project: Project, images: Images, *, transport: Transport, seed: int, emit: EmitAt
    ) -> None:
        self.sidecar = Sidecar(emit=emit, daemon=project.daemon)
        self.toxiproxy: ToxiproxyControl
        self.toxiproxy_id = ""
        self.addresses: dict[str, Address] = {}
        self.sidecar_address = ""
        self._sidecar_id = ""
        self._project = project
        self._images = images
        self._transport = transport
        self._seed = seed
        self._sockets = ""
        self._toxiproxy_address = ""
        self._probe: Conversation | None = None

    @property
    def volumes(self) -> dict[str, str]:
        """The app's volume: the one with the socket."""
        return {self._sockets: SOCKETS} if self._transport is Transport.UNIX else {}

    def postgres_url(self, password: str) -> str:
        """The path to Postgres as a URL."""
        credentials = f"postgresql://{ROLE}:{password}"
        if self._transport is Transport.UNIX:
            return f"{credentials}@/{DATABASE}?host={SOCKETS}/{INSTANCE}"
        return f"{credentials}@{self._project.name(TOXIPROXY)}:{POSTGRES_PORT}/{DATABASE}"

    @property
    def redis_url(self) -> str:
        """The path to Redis as a URL."""
        return f"redis://{self._project.name(SIDECAR)}:{REDIS_PORT}/0"

    def make_volume(self) -> None:
        """Create the volume for the socket. Blocking."""
        self._sockets = self._project.volume("cloudsql")

    def start_sidecar(self, front: Any, back: Any) -> None:
        """Start the side-car on both networks. Blocking."""
        folder = f"{SOCKETS}/{INSTANCE}"
        container = self._project.container(
            SIDECAR,
            self._images.sidecar_image,
            network=front,
            command=[
                *("sh", "-c", 'mkdir -p "$1" && shift && exec "$@"', "sh", folder),
                *("python", "-m", "crashloop", "proxy", "--api", f"0.0.0.0:{API_PORT}"),
                *("--seed", str(self._seed)),
            ],
            # The kernel names the process at a socket's other end by an id of this namespace.
            pid_mode="host",
        )
        container.with_volume_mapping(self._sockets, SOCKETS, "rw")
        self.sidecar_address = self._project.start(container, front)
        self._sidecar_id = container.get_container_id()
        self._project.join(self._sidecar_id, back)

    def start_toxiproxy(self, front: Any, back: Any) -> None:
        """Start Toxiproxy on both networks. Blocking."""
        container = self._project.container(TOXIPROXY, self._images.toxiproxy_image, network=front)
        self._toxiproxy_address = self._project.start(container, front)
        self.toxiproxy_id = container.get_container_id()
        self._project.join(self.toxiproxy_id, back)

    async def begin(self) -> None:
        """Wait until both proxies answer, and start the program that queries in the side-car."""
        daemon = self._project.daemon
        self._probe = await asyncio.to_thread(self._start_probe)
        self._probe.begin()
        await asyncio.gather(
            answering(self._toxiproxy_address, daemon), self.sidecar.begin(self.sidecar_address)
        )

    async def to_postgres(self, upstream: Address) -> None:
        """Point the proxies at Postgres."""
        self.toxiproxy = ToxiproxyControl(self._toxiproxy_address, API_PORT)
        listen = f"0.0.0.0:{POSTGRES_PORT}"
        target = f"{upstream.host}:{upstream.port}"
        await asyncio.to_thread(self.toxiproxy.create, POSTGRES, listen=listen, upstream=target)
        self.addresses[POSTGRES] = Address(host=self._project.name(TOXIPROXY), port=POSTGRES_PORT)
        if self._transport is Transport.UNIX:
            behind = Address(host=self._toxiproxy_address, port=POSTGRES_PORT)
            self.addresses[POSTGRES] = Address(path=f"{SOCKETS}/{INSTANCE}/{SOCKET}")
            await self.sidecar.listen(POSTGRES, self.addresses[POSTGRES], behind)

    async def to_redis(self, upstream: Address) -> None:
        """Point the side-car at Redis, too."""
        anywhere = Address(host="0.0.0.0", port=REDIS_PORT)  # noqa: S104  its own network
        await self.sidecar.listen(REDIS, anywhere, upstream)
        self.addresses[REDIS] = Address(host=self._project.name(SIDECAR), port=REDIS_PORT)

    async def query(self, password: str, *, meanwhile: Callable[[], Awaitable[int]]) -> int:
        """Query Postgres from the side-car, as the app will; HarnessError if it fails.

        Returns what `meanwhile` returns while the connection is open. Raises CapabilityError if
        the side-car does not run on this machine: it has other clocks.
        """
        assert self._probe is not None
        question = {"dsn": self.postgres_url(password), "timeout_s": QUERY_BOUND_S}
        answer = await self._probe.ask(question, deadline_s=BASELINE_BOUND_S)
        if answer["boot_id"] != boot_id():
            raise unreachable(self._project.daemon.facts, "they run on another machine")
        if answer.get("value") != 1:
            raise HarnessError(
                f"the path to Postgres did not work before any fault: {answer.get('error')}",
                hint="see toxiproxy.log, sidecar.log and postgres.log in the artifacts",
            )
        seen = await meanwhile()
        await self._probe.ask({}, deadline_s=BASELINE_BOUND_S)  # closes the connection
        if self._transport is Transport.UNIX:
            await self.sidecar.settle()
        return seen

    def close(self) -> None:
        """Close the connections; the containers are removed with their project."""
        self.sidecar.stopping()
        if self._probe is not None:
            self._probe.close()

    def _start_probe(self) -> Conversation:
        api = self._project.daemon.api
        command = ["python", "-m", "crashloop.engines.docker.probe"]
        with sdk_errors("the harness's program in the side-car could not be started"):
            made = api.exec_create(self._sidecar_id, command, stdin=True)
            socket = api.exec_start(made["Id"], socket=True)
        return Conversation(socket, name="the harness's program in the side-car")
