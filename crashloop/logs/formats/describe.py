"""`kubectl describe pod`: how a container last ended, its probes and limits, and its events."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crashloop.logs.entry import Entry
from crashloop.logs.event import PLATFORM_SAID, STARTED, LogEvent
from crashloop.logs.formats.kubectl_events import Row, columns
from crashloop.logs.kubernetes import (
    BY,
    container_of,
    instant,
    kubelet_event,
    probe_event,
    terminated,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crashloop.logs.entry import Line

_FIELD = re.compile(r"(?P<indent> *)(?P<name>[A-Z][\w -]{0,40}?):(?: +(?P<value>\S.*))?\s*")
_CONTAINER = re.compile(r"  (?P<name>[a-z0-9][a-z0-9-]{0,62}):\s*")
_COUNT = re.compile(r"\d{1,9}")
_MEMORY = re.compile(r" {6}memory: +(?P<limit>\S{1,30})\s*")
_CONTAINERS = frozenset({"Containers", "Init Containers", "Ephemeral Containers"})
_STATES = frozenset({"State", "Last State"})
_OF_STATE = frozenset({"Reason", "Exit Code", "Signal", "Started", "Finished", "Message"})
_PROBES = frozenset({"Liveness", "Readiness", "Startup"})
_IN_POD = re.compile(r" in pod (?P<pod>[a-z0-9.-]{1,253})_(?P<namespace>[a-z0-9-]{1,63})\(")
_UNTIL_NEXT_SECOND_NS = 999_999_999
MARKS = _STATES | _PROBES | {"Restart Count", "Events", "Exit Code"}
"""Fields that only a description of a pod has together."""
ENOUGH_MARKS = 3


class Describe:
    """Each end of a container that is told, each probe as it is set, and each event of the pod."""

    name = "kubectl-describe"
    what = "kubectl describe pod"

    def fits(self, head: Sequence[str]) -> float:
        """Surely with three of a pod's own fields, at the indent that they have."""
        found = {m["name"] for text in head if (m := _FIELD.fullmatch(text)) is not None}
        return 0.95 if len(found & MARKS) >= ENOUGH_MARKS and found & _CONTAINERS else 0.0

    def entries(self, lines: Iterable[Line]) -> Iterator[Entry]:
        """What is understood; the other lines say nothing of an outage."""
        pod = _Pod()
        for line in lines:
            yield from pod.take(line)
        yield from pod.end()


class _State:
    """A `State` or `Last State` with the lines below it."""

    def __init__(self, name: str, kind: str, line: Line) -> None:
        self.name, self.kind = name, kind
        self.fields: dict[str, str] = {}
        self.line = line

    def take(self, name: str, value: str, line: Line) -> None:
        self.fields[name] = value
        if name == "Reason" or (name == "Exit Code" and "Reason" not in self.fields):
            self.line = line  # what is cited


class _Pod:
    def __init__(self) -> None:
        self._name = self._namespace = self._container = self._section = self._part = ""
        self._containers: list[str] = []
        self._state: _State | None = None
        self._states: list[_State] = []

    def take(self, line: Line) -> Iterator[Entry]:
        text = line.text
        if self._section == "Events" and (row := columns(text)) is not None:
            yield self._event(row, line)
            return
        if self._section in _CONTAINERS:
            if (found := _CONTAINER.fullmatch(text)) is not None:
                yield from self.end()
                self._container = found["name"]
                if self._section == "Containers":
                    self._containers.append(found["name"])
                return
            if self._part == "Limits" and (found := _MEMORY.fullmatch(text)) is not None:
                yield self._said(line, "memory-limit", limit=found["limit"])
                return
        field = _FIELD.fullmatch(text)
        if field is not None:
            value = (field["value"] or "").strip()
            yield from self._field(len(field["indent"]), field["name"], value, line)

    def end(self) -> Iterator[Entry]:
        """What the container's states say: the last one happened first."""
        states, self._states, self._state = self._states, [], None
        by_name = {state.name: state for state in states}
        running = by_name.get("State")
        began = instant(running.fields.get("Started", "")) if running else None
        for state in (by_name.get("Last State"), running):
            if state is None:
                continue
            if state.kind == "Terminated" and (event := terminated(state.fields)) is not None:
                yield self._entry(state.line, event, at_ns=_finished(state, began))
            elif state.kind == "Running" and began is not None:
                event = LogEvent(kind=STARTED, data={"by": BY}, at_ns=0)
                yield self._entry(state.line, event, at_ns=began)
            elif state.kind == "Waiting" and (reason := state.fields.get("Reason")):
                yield self._entry(state.line, kubelet_event(reason, state.line.text.strip()))

    def _field(self, indent: int, name: str, value: str, line: Line) -> Iterator[Entry]:
        if indent == 0:
            yield from self.end()
            self._section, self._part = name, ""
            if name == "Name":
                self._name, self._namespace, self._containers = value, "", []
            elif name == "Namespace":
                self._namespace = value
            self._container = ""
            if name == "Events" and len(self._containers) == 1:  # its rows need not name it
                self._container = self._containers[0]
            return
        if self._section not in _CONTAINERS:
            return
        if name in _STATES:
            self._state = _State(name, value, line)
            self._states.append(self._state)
        elif name in _OF_STATE and self._state is not None:
            self._state.take(name, value, line)
        else:
            self._state, self._part = None, name
            yield from self._setting(name, value, line)

    def _setting(self, name: str, value: str, line: Line) -> Iterator[Entry]:
        if name == "Restart Count" and _COUNT.fullmatch(value):
            yield self._said(line, "restarted", restarts=int(value))
        elif name in _PROBES and (event := probe_event(name, value)) is not None:
            yield self._entry(line, event)

    def _said(self, line: Line, says: str, **more: object) -> Entry:
        data = {"by": BY, "says": says, "text": line.text.strip(), **more}
        return self._entry(line, LogEvent(kind=PLATFORM_SAID, data=data, at_ns=0))

    def _event(self, row: Row, line: Line) -> Entry:
        if (found := _IN_POD.search(row.message)) is not None:
            self._name = self._name or found["pod"]
            self._namespace = self._namespace or found["namespace"]
        event = kubelet_event(row.reason, row.message, times=row.times)
        return self._entry(line, event, container=container_of(row.message))

    def _entry(
        self, line: Line, event: LogEvent, *, at_ns: int | None = None, container: str = ""
    ) -> Entry:
        names = (self._namespace, self._name, container or self._container)
        source = "/".join(filter(None, names))
        return Entry(line=line, text=line.text, at_ns=at_ns, source=source, event=event)


def _finished(state: _State, began_ns: int | None) -> int | None:
    """The end of the second in which it ended, for its last lines; before the next start."""
    at_ns = instant(state.fields.get("Finished", ""))
    if at_ns is None:
        return None
    latest = at_ns + _UNTIL_NEXT_SECOND_NS
    return at_ns if began_ns is not None and at_ns <= began_ns <= latest else latest


FORMAT = Describe()
