"""Observes connections and delays at Toxiproxy's port in the kernel. Can close the port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop.engines.docker.conversation import Conversation
from crashloop.engines.docker.daemon import sdk_errors
from crashloop.errors import CapabilityError, HarnessError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crashloop.engines.docker.project import Project
    from crashloop.proxy.faults import Fault

ROLE_NAME = "gate"
ANSWER_BOUND_S = 30.0
# Clocks and rounding may take this much off a toxic's delay.
DELAYED_AT_LEAST = 0.9


class Witness:
    """A container in Toxiproxy's network namespace, which reads every segment.

    It injects `refuse` and `black_hole`. While `expect_delay` says that a latency toxic is on, a
    `passed` chunk that was delayed by as much is reported with its `fault`, and its link, before it
    is closed, with the `delays` of all its chunks together.
    """

    def __init__(
        self,
        project: Project,
        image: str,
        *,
        port: int,
        on_seen: Callable[[str, Mapping[str, Any], int], None],
    ) -> None:
        self._project = project
        self._image = image
        self._port = port
        self._on_seen = on_seen
        self._conversation: Conversation | None = None
        self._delays: dict[str, float] = {}
        self._delayed: dict[str, str] = {}

    def start(self, toxiproxy: str) -> None:
        """Start it in the network namespace of the container `toxiproxy`. Blocking."""
        container = self._project.container(
            ROLE_NAME,
            self._image,
            command=["python", "-m", "crashloop.engines.docker.gate", str(self._port)],
            network_mode=f"container:{toxiproxy}",
            cap_add=["NET_ADMIN", "NET_RAW"],
            user="0",
            stdin_open=True,
        )
        self._project.start(container)
        with sdk_errors("the program at Toxiproxy's port could not be reached"):
            socket = self._project.daemon.api.attach_socket(
                container.get_container_id(),
                params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1, "logs": 1},
            )
        self._conversation = Conversation(
            socket, name="the program at Toxiproxy's port", on_line=self._on_line
        )

    async def begin(self, *, shuts: bool) -> None:
        """Wait until it reads segments; CapabilityError if it cannot close the port but must."""
        assert self._conversation is not None
        self._conversation.begin()
        await self.settle()
        if not shuts:
            return
        answer = await self._ask({"do": "able"})
        if "error" in answer:
            raise CapabilityError(
                "this fault needs NET_ADMIN in Toxiproxy's network namespace, and this daemon does "
                f"not grant it: {answer['error']}",
                hint="use fault=hold or fault=latency, another daemon, or --engine local",
            )

    async def settle(self) -> None:
        """Wait until all that it has seen is recorded; HarnessError if it has missed anything."""
        lost = (await self._ask({"do": "settle"}))["lost"]
        if lost:
            raise HarnessError(
                f"{lost} segments at Toxiproxy's port came too fast to be read",
                hint="this run is invalid; run it again on a less busy machine",
            )

    async def inject(self, fault_id: str, fault: Fault) -> None:
        """Close the port; HarnessError if our own connect() then sees something else."""
        wanted = {"refuse": "refused", "black_hole": "no answer"}[fault.kind]
        answer = await self._ask({"do": "shut", "fault": fault_id, "how": fault.kind})
        if answer.get("observed") != wanted:
            raise HarnessError(
                f"a connect() to Toxiproxy's port should see {wanted!r} now, and sees: "
                f"{answer.get('observed') or answer.get('error')}",
                hint="see gate.log in the artifacts",
            )

    async def heal(self, fault_id: str) -> None:
        """Open the port."""
        answer = await self._ask({"do": "open", "fault": fault_id})
        if "error" in answer:
            raise HarnessError(
                f"Toxiproxy's port could not be opened again: {answer['error']}",
                hint="this run is invalid; see gate.log in the artifacts",
            )

    def expect_delay(self, fault_id: str, delay_s: float) -> None:
        """A toxic that delays every chunk by this much is on."""
        self._delays[fault_id] = delay_s

    def expect_no_delay(self, fault_id: str) -> None:
        """The toxic is off."""
        self._delays.pop(fault_id, None)

    def close(self) -> None:
        """Close the connection; the container is removed with its project."""
        if self._conversation is not None:
            self._conversation.close()

    async def _ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        assert self._conversation is not None
        answer: dict[str, Any] = await self._conversation.ask(question, deadline_s=ANSWER_BOUND_S)
        return answer

    def _on_line(self, seen: Mapping[str, Any]) -> None:
        data = dict(seen["data"])
        if seen["kind"] == "passed":
            data["fault"] = next(
                (f for f, s in self._delays.items() if data["delay_s"] >= DELAYED_AT_LEAST * s), ""
            )
            if data["fault"]:
                self._delayed[data["link"]] = data["fault"]
        if seen["kind"] == "closed":
            total = {name: data.pop(name) for name in ("chunks", "chunk_bytes", "delay_s")}
            if fault := self._delayed.pop(data["link"], ""):
                said = {"link": data["link"], "client": data["client"], "fault": fault, **total}
                self._on_seen("delays", said, seen["mono_ns"])
        self._on_seen(seen["kind"], data, seen["mono_ns"])
