"""`gcloud logging read` as it prints by default: a YAML document an entry."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from crashloop.logs.formats.log_entry import MARKS, log_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crashloop.logs.entry import Entry, Line

SEPARATOR = "---"
MAX_LINES = 5000
"""Of one entry; what is longer is none."""
_FIELDS = tuple(f"{name}:" for name in (*MARKS, "timestamp", "receiveTimestamp", "resource"))
_ALIAS = re.compile(r"(?m)^[^'\"\n]*?[:-] [&*]\w")
"""Never printed by gcloud, and the way to make a small document a huge one."""
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class GcloudYaml:
    """Documents of Cloud Logging's entries; one that is cut or no entry is left out."""

    name = "gcloud-yaml"
    what = "gcloud logging read, as it prints by default"

    def fits(self, head: Sequence[str]) -> float:
        """Surely with three of an entry's fields unindented."""
        found = {name for name in _FIELDS if any(text.startswith(name) for text in head)}
        return 0.97 if len(found) > 2 else 0.0  # noqa: PLR2004  three keys

    def entries(self, lines: Iterable[Line]) -> Iterator[Entry]:
        """Each document that is an entry."""
        held: list[Line] = []
        for line in lines:
            if line.text.rstrip() == SEPARATOR:
                yield from _document(held)
                held = []
            elif len(held) <= MAX_LINES:
                held.append(line)
        yield from _document(held)


def _document(lines: list[Line]) -> Iterator[Entry]:
    text = "\n".join(line.text for line in lines)
    if not text.strip() or len(lines) > MAX_LINES or _ALIAS.search(text):
        return
    try:
        found = yaml.load(text, _LOADER)  # noqa: S506  of strings
    except (yaml.YAMLError, RecursionError):
        return
    if isinstance(found, dict) and any(name in found for name in MARKS):
        first = next((each for each in lines if "Payload:" in each.text), lines[0])
        yield log_entry(_typed(found), first)


def _typed(found: dict[str, Any]) -> dict[str, Any]:
    """With the whole numbers of a JSON payload as numbers: the loader makes strings of all."""
    payload = found.get("jsonPayload")
    return {**found, "jsonPayload": _numbers(payload)} if isinstance(payload, dict) else found


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_numbers(each) for each in value]
    is_number = isinstance(value, str) and value.isascii() and value.isdigit()
    return int(value) if is_number and len(value) < 20 else value  # noqa: PLR2004  an int64


FORMAT = GcloudYaml()
