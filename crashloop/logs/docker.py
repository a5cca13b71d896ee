"""What Docker says of a container: its events, by their action and attributes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from crashloop.logs.event import EXITED, PLATFORM_SAID, STARTED, LogEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

BY = "docker"
OOM_KILLED = "OOMKilled"
_NUMBER = re.compile(r"\d{1,9}")
_SAID = {
    "oom": "oom",
    "kill": "killing",
    "stop": "stopped",
    "restart": "restarting",
    "health_status: healthy": "healthy",
    "health_status: unhealthy": "unhealthy",
}
_PROJECT, _SERVICE = "com.docker.compose.project", "com.docker.compose.service"


def docker_event(action: str, of: Mapping[str, Any], *, was_oom: bool = False) -> LogEvent | None:
    """The event that an action on a container is; None for those that tell nothing of a life.

    `was_oom`: the kernel killed a process of it for its memory in this life.
    """
    data: dict[str, Any] = {"by": BY}
    if action == "start":
        return LogEvent(kind=STARTED, data=data, at_ns=0)
    if action == "die":
        code = str(of.get("exitCode", ""))
        if not _NUMBER.fullmatch(code):
            return None
        data["exit_code"] = int(code)
        if _NUMBER.fullmatch(str(of.get("execDuration", ""))):
            data["ran_s"] = float(of["execDuration"])
        if was_oom:
            data["reason"] = OOM_KILLED
        return LogEvent(kind=EXITED, data=data, at_ns=0)
    if (says := _SAID.get(action)) is None:
        return None
    data |= {"says": says, "text": action}
    if _NUMBER.fullmatch(str(of.get("signal", ""))):
        data["signal"] = int(of["signal"])
    return LogEvent(kind=PLATFORM_SAID, data=data, at_ns=0)


def name_of(of: Mapping[str, Any]) -> str:
    """A container's name, as `docker compose logs` writes it where compose made it."""
    name = str(of.get("name", "")).lstrip("/")
    project = of.get(_PROJECT)
    return name.removeprefix(f"{project}-") if project and of.get(_SERVICE) else name
