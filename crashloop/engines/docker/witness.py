"""Toxiproxy's port as the kernel sees it: who came, what was delayed; and how it is shut."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from crashloop.engines.docker.conversation import Conversation
from crashloop.engines.docker.daemon import told
from crashloop.errors import CapabilityError, HarnessError
from crashloop.proxy.faults import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.engines.docker.project import Project
    from crashloop.proxy.control.toxiproxy import ToxiproxyControl
    from crashloop.proxy.faults import Fault

ROLE_NAME = "gate"
ANSWER_BOUND_S = 30.0
# A toxic's delay less what clocks and rounding may take from it
DELAYED_AT_LEAST = 0.9


class OnSeen(Protocol):
    """Takes something that the kernel showed, with its instant of the monotonic clock."""

    def __call__(self, kind: str, data: Mapping[str, Any], mono_ns: int, /) -> None:
        """Record it."""


class Witness:
    """A container in Toxiproxy's network namespace, which sees every segment and can shut the port.

    An injector of `refuse` and `black_hole`. `expects` and `expects_no_more` say which toxic is on,
    so that a chunk's delay can be told as that fault's doing: a `passed` chunk that was delayed by
    the toxic's own delay is handed on with its `fault`.
    """

    def __init__(self, project: Project, image: str, *, port: int, on_seen: OnSeen) -> None:
        self._project = project
        self._image = image
        self._port = port
        self._on_seen = on_seen
        self._conversation: Conversation
        self._delays: dict[str, float] = {}

    def start(self, toxiproxy: str) -> None:
        """Start it beside the container `toxiproxy`. Blocking."""
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
        with told("the program at Toxiproxy's port could not be spoken to"):
            socket = self._project.daemon.api.attach_socket(
                container.get_container_id(),
                params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1, "logs": 1},
            )
        self._conversation = Conversation(
            socket, name="the program at Toxiproxy's port", on_line=self._hear
        )

    async def begin(self, *, shuts: bool) -> None:
        """Wait until it sees segments; CapabilityError where it must shut the port and may not."""
        self._conversation.begin()
        await self.settle()
        if not shuts:
            return
        answer = await self._ask({"do": "able"})
        if "error" in answer:
            raise CapabilityError(
                "this fault needs NET_ADMIN in Toxiproxy's network namespace, and this daemon does "
                f"not give it: {answer['error']}",
                hint="use fault=hold or fault=latency, another daemon, or --engine local",
            )

    async def settle(self) -> None:
        """Wait until all that it has seen is recorded; HarnessError if it has missed any."""
        lost = (await self._ask({"do": "settle"}))["lost"]
        if lost:
            raise HarnessError(
                f"{lost} segments at Toxiproxy's port came too fast to be seen",
                hint="nothing of this run counts; run it again on a less busy machine",
            )

    async def inject(self, fault_id: str, fault: Fault) -> None:
        """Shut the port; HarnessError where an own connect() then sees something else."""
        how = fault.kind
        answer = await self._ask({"do": "shut", "fault": fault_id, "how": how})
        wanted = {"refuse": "refused", "black_hole": "no answer"}[how]
        if answer.get("observed") != wanted:
            raise HarnessError(
                f"Toxiproxy's port should be {wanted} now, and an own connect() saw: "
                f"{answer.get('observed') or answer.get('error')}",
                hint="see gate.log in the artifacts",
            )

    async def heal(self, fault_id: str) -> None:
        """Open the port."""
        answer = await self._ask({"do": "open", "fault": fault_id})
        if "error" in answer:
            raise HarnessError(
                f"Toxiproxy's port could not be opened again: {answer['error']}",
                hint="nothing of this run counts; see gate.log in the artifacts",
            )

    def expects(self, fault_id: str, delay_s: float) -> None:
        """A toxic is on that delays every chunk by this much."""
        self._delays[fault_id] = delay_s

    def expects_no_more(self, fault_id: str) -> None:
        """It is off."""
        self._delays.pop(fault_id, None)

    def close(self) -> None:
        """Hang up; the container goes with its project."""
        if hasattr(self, "_conversation"):
            self._conversation.close()

    async def _ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = await self._conversation.ask(question, deadline_s=ANSWER_BOUND_S)
        return answer

    def _hear(self, said: Mapping[str, Any]) -> None:
        kind, data, mono_ns = said["kind"], dict(said["data"]), said["mono_ns"]
        if kind == "passed":
            data["fault"] = next(
                (f for f, s in self._delays.items() if data["delay_s"] >= DELAYED_AT_LEAST * s), ""
            )
        self._on_seen(kind, data, mono_ns)


class ToxiproxyFaults:
    """Toxics of a real Toxiproxy, of which the witness is told what to look for."""

    def __init__(self, control: ToxiproxyControl, name: str, witness: Witness) -> None:
        self._control = control
        self._name = name
        self._witness = witness

    async def inject(self, fault_id: str, fault: Fault) -> None:
        """Add the toxic."""
        self._witness.expects(fault_id, float(encode(fault)["latency"]) / 1000)
        await asyncio.to_thread(self._control.inject, self._name, fault_id, fault)

    async def heal(self, fault_id: str) -> None:
        """Remove it; what it held goes on at once."""
        await asyncio.to_thread(self._control.heal, self._name, fault_id)
        self._witness.expects_no_more(fault_id)
