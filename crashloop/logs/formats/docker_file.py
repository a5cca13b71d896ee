"""A container's file of Docker's json-file driver: each line an object with `log` and `time`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.logs.entry import Entry
from crashloop.logs.formats.plain import PLAIN
from crashloop.logs.instants import parse_instant
from crashloop.logs.structured import json_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crashloop.logs.entry import Line


class DockerFile:
    """Each object's `log` is a line; one without a line's end goes on in the next object."""

    name = "docker-file"
    what = "files of /var/lib/docker/containers"

    def fits(self, head: Sequence[str]) -> float:
        """The share of such objects."""
        said = [text for text in head if text.strip()]
        known = [t for t in said if t.startswith('{"log":"') and '"time":"' in t]
        return 0.99 * len(known) / len(said) if said else 0.0

    def entries(self, lines: Iterable[Line]) -> Iterator[Entry]:
        """Each line that the container wrote."""
        held = ""
        for line in lines:
            found = json_object(line.text)
            if found is None or not isinstance(found.get("log"), str):
                yield from PLAIN.entries([line])
                continue
            held += found["log"]
            if held.endswith("\n"):
                at_ns = parse_instant(str(found.get("time") or ""))
                yield Entry(line=line, text=held.rstrip("\r\n"), at_ns=at_ns)
                held = ""


FORMAT = DockerFile()
