"""From the entries of logs, in order, to a case, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from crashloop.diagnosis.case import Case, Cited, Counts, is_start
from crashloop.diagnosis.source import Source
from crashloop.logs.event import ERROR, EXITED, PROBE_FAILED, STARTED, LogEvent
from crashloop.trace.event import Event, Trace
from crashloop.trace.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from crashloop.logs.entry import Entry

MAX_EVENTS = 20_000
MAX_CITED_CHARS = 500
MAX_CITED = 4
_NS = 1_000_000_000


class Reading:
    """Collects the events of entries that come in order; `case` is all of them together."""

    def __init__(self, redactor: Redactor | None = None) -> None:
        self._redactor = redactor or Redactor()
        self._sources: dict[str, Source] = {}
        self._found: list[_Found] = []
        self._index = 0
        self._at_ns: dict[int, int | None] = {}
        self.understood = 0
        self.left_out = 0

    def read(self, entries: Iterable[Entry]) -> None:
        """Take entries, in the order in which they happened."""
        for entry in entries:
            source = self._sources.get(entry.source)
            if source is None:
                source = self._sources[entry.source] = Source()
            if entry.event is not None:
                self._index += 1
                source.recent.append((self._index, entry, entry.text))
                self._keep(
                    entry.source, entry.event, self._index, entry.at_ns, [(entry, entry.text)]
                )
                continue
            for text in entry.text.split("\n"):
                self._index += 1
                source.recent.append((self._index, entry, text))
                for event in source.feed(text, self._index):
                    first = self._index if event.is_structured else event.at_ns
                    self._add(entry.source, event, first, entry.at_ns)

    def case(self, *, read: int, doubled: int = 0, left_out: int = 0) -> Case:
        """All that was read, as a case; `read` counts the lines of the files."""
        for name, source in self._sources.items():
            for event in source.end():
                self._add(name, event, event.at_ns, None)
        names = tuple(self._sources)
        numbered = _Lives(self._sources)
        events, cites, last = [], {}, {}
        for seq, found in enumerate(sorted(self._found, key=_first), 1):
            events.append(numbered.event(found, seq=seq))
            cites[seq] = found.cited
            if found.last_said is not None:
                last[seq] = found.last_said
        counts = Counts(
            read=read,
            understood=self.understood,
            doubled=doubled,
            left_out=self.left_out + left_out,
        )
        header = {"scenario": {"replicas": {"count": 1}}}
        trace = Trace(header=header, events=tuple(events))
        return Case(trace=trace, cites=cites, sources=names, counts=counts, last_said=last)

    def _add(self, name: str, event: LogEvent, first: int, at_ns: int | None) -> None:
        source = self._sources[name]
        window = [each for each in source.recent if each[0] >= first]
        at_first = next((entry.at_ns for _, entry, _ in window), at_ns)
        self.understood += max(len(window), 1) - 1 if event.kind == ERROR else 0
        self._keep(name, event, first, at_first, _told(event, window))

    def _keep(
        self,
        name: str,
        event: LogEvent,
        first: int,
        at_ns: int | None,
        told: Iterable[tuple[Entry, str]],
    ) -> None:
        if len(self._found) >= MAX_EVENTS:
            self.left_out += 1
            return
        self.understood += 1
        cited = tuple(self._cited(entry, text) for entry, text in told)
        self._found.append(
            _Found(
                first=first,
                name=name,
                at_ns=at_ns,
                event=event,
                cited=tuple(dict.fromkeys(cited)),
                last_said=self._last_said(name) if event.kind == EXITED else None,
            )
        )

    def _last_said(self, name: str) -> Cited | None:
        """The last line of a life that ends here."""
        source = self._sources[name]
        index, source.last_said = source.last_said, 0
        found = [(entry, text) for each, entry, text in source.recent if each == index]
        return self._cited(*found[-1]) if found else None

    def _cited(self, entry: Entry, text: str) -> Cited:
        # Cut before it is searched for secrets, but not within what may be one.
        safe = self._redactor.text(text[: 4 * MAX_CITED_CHARS])
        return Cited(entry.line.file, entry.line.number, safe[:MAX_CITED_CHARS])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """An event with where it was found: its first line's index, its source, its lines.

    Of an exit, `last_said` is the last line that its process wrote before.
    """

    first: int
    name: str
    at_ns: int | None
    event: LogEvent
    cited: tuple[Cited, ...]
    last_said: Cited | None


class _Lives:
    """Numbers the lives of each source: a start begins one, what follows belongs to it."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._replica = {name: number for number, name in enumerate(sources, 1)}
        self._dependencies = {name for name, each in sources.items() if name and each.is_dependency}
        self._attempt = dict.fromkeys(sources, 0)
        self._is_over = dict.fromkeys(sources, False)
        self._started_by: dict[str, int | None] = dict.fromkeys(sources)

    def event(self, found: _Found, *, seq: int) -> Event:
        """The event of a trace: whose it is, and its place among the others."""
        event, name, at_ns = found.event, found.name, found.at_ns
        made = Event(
            seq=seq,
            mono_ns=found.first,
            at=_at(at_ns),
            source="platform" if event.kind in {STARTED, EXITED} else "app",
            kind=event.kind,
            replica=None,
            attempt=None,
            target=name or None,
            data={**event.data, "at_ns": at_ns},
        )
        is_theirs = name in self._dependencies or event.kind.endswith(".said")
        if is_theirs:
            return made
        attempt = self._life(name, made)
        return replace(made, replica=self._replica[name], attempt=attempt)

    def _life(self, name: str, event: Event) -> int:
        ends = event.kind == EXITED
        starter, of_life = _starter(event), self._started_by[name]
        is_again = starter is not None and of_life is not None and starter <= of_life
        is_next = self._is_over[name] and not ends and event.kind != PROBE_FAILED
        if self._attempt[name] == 0 or is_again or is_next:
            self._attempt[name] += 1
            self._is_over[name], self._started_by[name] = False, None
        if starter is not None and self._started_by[name] is None:
            self._started_by[name] = starter
        self._is_over[name] = self._is_over[name] or ends
        return self._attempt[name]


def _starter(event: Event) -> int | None:
    """How far outside what says that it started is: a platform, a parent, a server; None: none.

    What is started by another within the same life does not begin one.
    """
    if not is_start(event):
        return None
    if event.kind == STARTED:
        return 0
    is_parent = event.data["server"] == "gunicorn" or "parent" in event.data["text"]
    return 1 if is_parent else 2


def _told(event: LogEvent, window: Sequence[tuple[int, Entry, str]]) -> list[tuple[Entry, str]]:
    """The lines that say what an event says: its first, or those of the errors of its chain."""
    if not window:
        return []
    wanted = list(_sayings(event.data))
    told = [(e, text) for _, e, text in window if any(said in text for said in wanted)]
    return told[-MAX_CITED:] if told else [(window[0][1], window[0][2])]


def _sayings(data: Mapping[str, Any]) -> Iterator[str]:
    """The first lines of what an event quotes."""
    links = data.get("error") or ()
    texts = [data.get(name) for name in ("message", "detail", "hint", "context", "text")]
    for text in chain(texts, (link.get("message") for link in links)):
        if isinstance(text, str) and text.strip():
            yield text.split("\n", 1)[0]


def _first(found: _Found) -> int:
    return found.first


def _at(at_ns: int | None) -> str:
    if at_ns is None:
        return ""
    whole = datetime.fromtimestamp(at_ns // _NS, UTC)
    return whole.replace(microsecond=at_ns % _NS // 1000).isoformat()
