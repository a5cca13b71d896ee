"""`kubectl logs --prefix`: a pod and its container in brackets before each line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crashloop.logs.entry import Entry
from crashloop.logs.formats.plain import stamped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crashloop.logs.entry import Line

_PREFIX = re.compile(r"\[pod/(?P<pod>[a-z0-9.-]{1,253})/(?P<container>[a-z0-9-]{1,63})\] ?")


class KubectlPrefix:
    """Each container is a source; a line without a prefix is of no source."""

    name = "kubectl-prefix"
    what = "kubectl logs --prefix"

    def fits(self, head: Sequence[str]) -> float:
        """The share of lines with a prefix."""
        said = [text for text in head if text.strip()]
        return len([t for t in said if _PREFIX.match(t)]) / len(said) if said else 0.0

    def entries(self, lines: Iterable[Line]) -> Iterator[Entry]:
        """Each line with its container; one without an instant has that of the line before."""
        last_ns: dict[str, int | None] = {}
        for line in lines:
            found = _PREFIX.match(line.text)
            source = f"{found['pod']}/{found['container']}" if found else ""
            at_ns, text = stamped(line.text[found.end() :] if found else line.text)
            if at_ns is not None:
                last_ns[source] = at_ns
            yield Entry(line=line, text=text, source=source, at_ns=last_ns.get(source))


FORMAT = KubectlPrefix()
