"""`docker events`, as text and with `--format json`: starts, exits, kills and health."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from crashloop.logs.docker import docker_event, name_of
from crashloop.logs.entry import Entry
from crashloop.logs.instants import parse_instant
from crashloop.logs.structured import json_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crashloop.logs.entry import Line

_TEXT = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\dT\S{8,30}) container (?P<action>[a-z_]{2,30}(?:: [^(]{1,300})?) "
    r"(?P<id>[0-9a-f]{12,64}) \((?P<attributes>.*)\)"
)
_ATTRIBUTE = re.compile(r"(?:^|, )(?P<name>[\w./-]{1,100})=(?P<value>[^,]*)")


class DockerEvents:
    """Each event of a container that tells of a life; a container's name is its source."""

    name = "docker-events"
    what = "docker events, also with --format json"

    def fits(self, head: Sequence[str]) -> float:
        """The share of events of containers."""
        said = [text for text in head if text.strip()]
        known = [t for t in said if _TEXT.fullmatch(t.rstrip()) or _is_json(t)]
        return 0.97 * len(known) / len(said) if said else 0.0

    def entries(self, lines: Iterable[Line]) -> Iterator[Entry]:
        """What is told of lives; all else is left out."""
        was_oom: dict[str, bool] = {}
        for line in lines:
            found = _parsed(line.text)
            if found is None:
                continue
            action, at_ns, attributes = found
            source = name_of(attributes)
            event = docker_event(action, attributes, was_oom=was_oom.get(source, False))
            was_oom[source] = action == "oom" or (action != "start" and was_oom.get(source, False))
            if event is not None:
                yield Entry(line=line, text=line.text, at_ns=at_ns, source=source, event=event)


def _is_json(text: str) -> bool:
    return text.startswith("{") and '"Actor":' in text and '"Type":"container"' in text


def _parsed(text: str) -> tuple[str, int | None, dict[str, Any]] | None:
    """An event's action, instant and attributes."""
    if (told := _TEXT.fullmatch(text.rstrip())) is not None:
        pairs = {each["name"]: each["value"] for each in _ATTRIBUTE.finditer(told["attributes"])}
        return told["action"].strip(), parse_instant(told["at"]), pairs
    found = json_object(text) if _is_json(text) else None
    actor = found.get("Actor") if found else None
    attributes = actor.get("Attributes") if isinstance(actor, dict) else None
    if found is None or not isinstance(attributes, dict):
        return None
    nano = found.get("timeNano")
    return str(found.get("Action", "")), nano if isinstance(nano, int) else None, attributes


FORMAT = DockerEvents()
