"""The faults of where the app listens: its port is in use, or it listens somewhere else."""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from crashloop.faults.alone import DEATHS, Alone
from crashloop.faults.base import REPLICAS
from crashloop.faults.parameter import takes
from crashloop.faults.process.fault import ProcessFault, each_life, seen
from crashloop.faults.process.sockets import EVERY, has_other_listener, own_listeners
from crashloop.model import CheckSpec, Launch, Probe, ProbeKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from crashloop.faults.ports import Ports
    from crashloop.model import AppUnderTest, Life
    from crashloop.proxy.address import Endpoint

LOOK_EVERY_S = 0.05
RECOVERED = CheckSpec(check="recovered", params={"phase": ""})
PROBE = Probe(kind=ProbeKind.TCP, failures=15)
"""Chosen: 150 s are 7.5 s at x20, in which the sample app has started on a busy machine, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortInUse(ProcessFault):
    """Somebody else listens at the app's port, and closes each connection."""

    kind = "port_in_use"
    receipt = seen("process.port_taken")
    alone = Alone(
        target=REPLICAS,
        phase="",
        heal_s=300.0,
        shows=(
            # 3 by uvicorn since 0.50, 1 before
            CheckSpec(check="died", params={"times": DEATHS, "codes": (1, 3)}),
            CheckSpec(check="died_after_startup", params={"times": DEATHS}),
            RECOVERED,
        ),
        told_by={
            "loopback_only": "died",
            "missing_setting": "died_after_startup",
            "other_port": "died",
            "sigterm_during_start": "died",
        },
        ends="the port is free: look for who listens there with ss -ltnp",
    )

    def why_not(self, app: AppUnderTest) -> str:
        """Why nothing would be shown by the app; "" if it can happen to it."""
        if app.ready.path or app.ready.log:
            return ""
        return "it is ready with its port, which somebody else would open"

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Take the port of each life before it starts; emits `process.port_taken`."""
        lives = ports.lives()

        async def look(life: Life, pid: int) -> None:
            host, port = lives.address(life)
            if has_other_listener(pid, (host, port)):
                data = {"fault": name, "pid": pid, "address": f"{host}:{port}"}
                ports.emit("harness", "process.port_taken", target, life=life, **data)

        async with lives.launched(Launch(port_taken=True)), each_life(lives, look):
            yield


class Elsewhere(ProcessFault):
    """The app is told to listen somewhere else than where it is asked.

    Emits `process.listens` of each life when it listens, as the kernel says: `elsewhere` is
    "port", "address", or "" if it can be reached.
    """

    __slots__ = ()

    placeholder: ClassVar[str]

    @abstractmethod
    def change(self) -> Launch:
        """How each life is started."""

    def why_not(self, app: AppUnderTest) -> str:
        """Why the app cannot be told so; "" if it can."""
        if any(self.placeholder in text for text in (*app.command, *app.env.values())):
            return ""
        return f"neither its command nor its environment takes {self.placeholder}"

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Start each life so that it listens somewhere else."""
        lives = ports.lives()

        async def look(life: Life, pid: int) -> None:
            asked = lives.address(life)
            found = own_listeners(pid)
            while not found and (life, pid) in lives.running():
                await asyncio.sleep(LOOK_EVERY_S)  # listen has no event
                found = own_listeners(pid)
            if found:
                data: dict[str, Any] = {
                    "fault": name,
                    "pid": pid,
                    "at": [_text(each) for each in found],
                    "asked": _text(asked),
                    "elsewhere": elsewhere_of(found, asked),
                }
                if self.modelled:
                    data["modelled"] = True
                ports.emit("harness", "process.listens", target, life=life, **data)

        async with lives.launched(self.change()), each_life(lives, look):
            yield


def elsewhere_of(found: Sequence[Endpoint], asked: Endpoint) -> Literal["port", "address", ""]:
    """How a life that listens there cannot be reached where it is asked; "" if it can."""
    hosts = [host for host, port in found if port == asked[1]]
    if not hosts:
        return "port"
    return "" if {*hosts} & {asked[0], *EVERY} else "address"


def _text(address: Endpoint) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _never_reached(elsewhere: str, told_by: dict[str, str], ends: str) -> Alone:
    return Alone(
        target=REPLICAS,
        phase="",
        platform="kubernetes",
        startup=PROBE,
        heal_s=400.0,
        shows=(
            CheckSpec(check="killed_by_probe", params={"probe": "startup", "times": DEATHS}),
            CheckSpec(check="exit_code", params={"code": 143, "times": DEATHS}),
            CheckSpec(check="told_to_stop", params={"while_starting": False, "times": DEATHS}),
            CheckSpec(check="listened_elsewhere", params={"elsewhere": elsewhere}),
            RECOVERED,
        ),
        told_by={**told_by, "port_in_use": "exit_code", "sigterm_during_start": "told_to_stop"},
        ends=ends,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherPort(Elsewhere):
    """The app listens on another port than the one at which it is asked.

    With `asked_there`, its platform knows that other port and asks there, and so does everybody.
    """

    kind = "other_port"
    placeholder = "{port}"
    receipt = seen("process.listens", elsewhere="port")
    alone = _never_reached(
        "port",
        {"loopback_only": "listened_elsewhere"},
        "the app listens on the port that its platform was told, as in $PORT",
    )

    asked_there: bool = field(default=False, metadata=takes("flag"))

    def change(self) -> Launch:
        """With another port than the usual one."""
        return Launch(other_port=True, asked_there=self.asked_there)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopbackOnly(Elsewhere):
    """The app listens on an address that is not the one at which it is asked, as on 127.0.0.1."""

    kind = "loopback_only"
    placeholder = "{host}"
    modelled: ClassVar = {
        "local": "the app listens on 127.0.0.2 and is asked at 127.0.0.1, in place of a container "
        "that listens on 127.0.0.1 and is asked at its own address"
    }
    receipt = seen("process.listens", elsewhere="address")
    alone = _never_reached(
        "address",
        {"other_port": "listened_elsewhere"},
        "the app listens on 0.0.0.0, or on the address of its network interface",
    )

    def change(self) -> Launch:
        """With another address of the loopback."""
        return Launch(host="127.0.0.2")
