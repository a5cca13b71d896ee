"""Cloud Logging as JSON: one entry a line, or the array of `gcloud logging read --format=json`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.logs.formats.log_entry import MARKS, log_entry
from crashloop.logs.formats.plain import PLAIN
from crashloop.logs.structured import json_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crashloop.logs.entry import Entry, Line

_QUOTED = tuple(f'"{name}"' for name in MARKS)


class CloudLogging:
    """Each entry's payload is its text, its instance is its source. Entries come in any order."""

    name = "cloud-logging"
    what = "gcloud logging read --format=json, Logs Explorer's downloads, JSON lines of a log sink"

    def fits(self, head: Sequence[str]) -> float:
        """The share of lines with two of an entry's fields."""
        said = [text for text in head if text.strip()]
        known = [t for t in said if t.startswith("{") and sum(name in t for name in _QUOTED) > 1]
        return 0.98 * len(known) / len(said) if said else 0.0

    def entries(self, lines: Iterable[Line]) -> Iterator[Entry]:
        """Each entry; a line that is none is passed on as text."""
        for line in lines:
            found = json_object(line.text)
            if found is None:
                yield from PLAIN.entries([line])
            else:
                yield log_entry(found, line)


FORMAT = CloudLogging()
