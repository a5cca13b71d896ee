"""`kubectl get events`: one row an event, also those below `kubectl describe`'s Events."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.logs.entry import Entry
from crashloop.logs.kubernetes import container_of, kubelet_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crashloop.logs.entry import Line

HEADER = re.compile(r"(?:NAMESPACE +)?LAST SEEN +(?:COUNT +)?TYPE +REASON +OBJECT +.*MESSAGE.*")
_AGE = r"(?:<unknown>|<invalid>|(?:\d{1,6}[smhdy]){1,4})"
_OVER = rf"(?: \(x(?P<times>\d{{1,7}}) over {_AGE}\))?"
_DESCRIBED = re.compile(
    rf"\s+(?:Normal|Warning) +(?P<reason>[A-Z]\w{{1,60}}) +{_AGE}{_OVER} +\S.{{0,80}}?  +"
    r"(?P<message>\S.*)"
)
_LISTED = re.compile(
    rf"(?:(?P<namespace>[a-z0-9-]{{1,63}}) +)?{_AGE}{_OVER} +(?:Normal|Warning) +"
    r"(?P<reason>[A-Z]\w{1,60}) +(?P<kind>[A-Za-z]{1,40})/(?P<object>\S{1,253}) +(?P<message>\S.*)"
)
_WIDE = re.compile(
    r"(?:spec\.\w{0,30}containers\{(?P<container>[a-z0-9-]{1,63})\} +)?"
    r"(?:\S{1,80}, \S{1,80} +)(?P<message>\S.*?) +"
    rf"{_AGE} +(?P<times>\d{{1,7}}) +\S+"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An event as a row tells it."""

    reason: str
    message: str
    times: int = 1


def columns(text: str) -> Row | None:
    """The event in a row of `kubectl describe`; None for its headings."""
    found = _DESCRIBED.fullmatch(text.rstrip())
    if found is None:
        return None
    return Row(reason=found["reason"], message=found["message"], times=int(found["times"] or 1))


class KubectlEvents:
    """The events of pods; those of other objects say nothing of a container."""

    name = "kubectl-events"
    what = "kubectl get events, kubectl events, also with -A and -o wide"

    def fits(self, head: Sequence[str]) -> float:
        """Surely with its heading or mostly such rows."""
        said = [text for text in head if text.strip()]
        rows = [t for t in said if HEADER.fullmatch(t.rstrip()) or _LISTED.fullmatch(t.rstrip())]
        return len(rows) / len(said) if said else 0.0

    def entries(self, lines: Iterable[Line]) -> Iterator[Entry]:
        """An entry for each event of a pod, without an instant: only its age is told."""
        for line in lines:
            found = _LISTED.fullmatch(line.text.rstrip())
            if found is None or found["kind"].lower() not in {"pod", "po"}:
                continue
            message, times = found["message"], int(found["times"] or 1)
            container = container_of(message)
            if (wide := _WIDE.fullmatch(message)) is not None:
                message, times = wide["message"], int(wide["times"])
                container = wide["container"] or container_of(message)
            names = (found["namespace"], found["object"], container)
            yield Entry(
                line=line,
                text=line.text,
                source="/".join(filter(None, names)),
                event=kubelet_event(found["reason"], message, times=times),
            )


FORMAT = KubectlEvents()
