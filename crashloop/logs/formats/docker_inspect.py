"""`docker inspect` of containers: how each last ended, and how often it was restarted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crashloop.logs.docker import BY, OOM_KILLED, name_of
from crashloop.logs.entry import Entry
from crashloop.logs.event import EXITED, PLATFORM_SAID, LogEvent
from crashloop.logs.instants import parse_instant
from crashloop.logs.structured import json_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crashloop.logs.entry import Line


class DockerInspect:
    """Each container's last exit and its number of restarts."""

    name = "docker-inspect"
    what = "docker inspect of containers"

    def fits(self, head: Sequence[str]) -> float:
        """Surely with the fields of a container's state."""
        known = [t for t in head if t.startswith("{") and '"OOMKilled"' in t and '"ExitCode"' in t]
        return 0.99 if known else 0.0

    def entries(self, lines: Iterable[Line]) -> Iterator[Entry]:
        """What each container's state says."""
        for line in lines:
            found = json_object(line.text) or {}
            state, config = found.get("State"), found.get("Config")
            if isinstance(state, dict):
                labels = config.get("Labels") if isinstance(config, dict) else None
                labels = labels if isinstance(labels, dict) else {}
                source = name_of({**labels, "name": found.get("Name", "")})
                yield from _told(line, source, state, found.get("RestartCount"))


def _told(line: Line, source: str, state: dict[str, Any], restarts: object) -> Iterator[Entry]:
    number = restarts if isinstance(restarts, int) else 0
    code, at_ns = state.get("ExitCode"), parse_instant(str(state.get("FinishedAt") or ""))
    has_ended = isinstance(at_ns, int) and at_ns > 0
    if isinstance(code, int) and (state.get("Status") in {"exited", "dead", "restarting"}):
        data: dict[str, Any] = {"exit_code": code, "by": BY}
        began = parse_instant(str(state.get("StartedAt") or ""))
        if state.get("OOMKilled") is True:
            data["reason"] = OOM_KILLED
        if has_ended and began is not None and at_ns is not None:
            data["ran_s"] = (at_ns - began) / 1_000_000_000
        text = f"ExitCode {code}" + (", OOMKilled" if state.get("OOMKilled") is True else "")
        event = LogEvent(kind=EXITED, data=data, at_ns=0)
        yield Entry(line=line, text=text, source=source, at_ns=at_ns, event=event)
    text = f"RestartCount {number}"
    counted = {"by": BY, "says": "restarted", "restarts": number, "text": text}
    event = LogEvent(kind=PLATFORM_SAID, data=counted, at_ns=0)
    yield Entry(line=line, text=text, source=source, event=event)


FORMAT = DockerInspect()
