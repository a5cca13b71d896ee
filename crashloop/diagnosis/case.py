"""What is known of an outage from logs alone: the events of a trace, each with its lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

from crashloop.diagnosis.chain import ended_the_start
from crashloop.logs.event import ERROR, EXITED, PLATFORM_SAID, PROBE_FAILED, SERVER, STARTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.trace.event import Event, Trace

READY = ("startup_complete",)
FAILED = ("startup_failed", "worker_failed", "bind_failed")


@dataclass(frozen=True, slots=True, order=True)
class Cited:
    """One line of a file, as it stands there but for secrets and what cannot be shown."""

    file: str
    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many lines were read, how many of them some reader understood, and what was dropped."""

    read: int
    understood: int
    doubled: int = 0
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeLog:
    """One process life of one source, as far as its log shows it, in order."""

    source: str
    attempt: int
    events: tuple[Event, ...]

    @property
    def exit(self) -> Event | None:
        """How it ended, if a platform said so; the last word counts."""
        found = [e for e in self.events if e.kind == EXITED]
        return found[-1] if found else None

    @property
    def ready(self) -> Event | None:
        """Where its start-up was completed, by its server's or its own word.

        None, too, if its server then could not bind: uvicorn binds last.
        """
        said = [e for e in self.events if e.kind == SERVER]
        if any(e.data.get("says") == "bind_failed" for e in said):
            return None
        own = [e for e in self.events if e.kind == "startup.completed"]
        found = [*own, *(e for e in said if _is_ready(e))]
        return found[0] if found else None

    @property
    def was_ready(self) -> bool:
        """Whether its start-up was completed."""
        return self.ready is not None

    @property
    def failed(self) -> bool:
        """Whether it failed to start: a failed start-up, or an end before it was ready."""
        if any(e.kind == SERVER and e.data.get("says") in FAILED for e in self.events):
            return True
        if any(e.kind in {"phase.failed", "startup.failed"} for e in self.events):
            return True
        return self.exit is not None and not self.was_ready

    @property
    def has_words(self) -> bool:
        """Whether it said anything itself that a reader knows, not a platform of it alone."""
        return any(e.kind not in {STARTED, EXITED, PROBE_FAILED} for e in self.events)

    @property
    def errors(self) -> tuple[Event, ...]:
        """The errors in it, in order: in tracebacks, in drivers' words, of a phase."""
        return tuple(e for e in self.events if e.kind in {ERROR, "phase.failed"})

    @property
    def fatal(self) -> Event | None:
        """The last error before it failed to start; None if it was ready, or logged none."""
        if self.was_ready or not self.errors:
            return None
        return self.errors[-1]


@dataclass(frozen=True, kw_only=True)
class Case:
    """The events of all logs as one trace, whose replicas are the sources in `sources`.

    `cites` has the lines of an event by its `seq`; `last_said` has the last line before an
    exit. A dependency's log is a source, too; its events are of the kinds `database.said`,
    `cache.said` and `pooler.said`.
    """

    trace: Trace
    cites: Mapping[int, tuple[Cited, ...]]
    sources: tuple[str, ...]
    counts: Counts
    last_said: Mapping[int, Cited] = field(default_factory=dict)

    @cached_property
    def lives(self) -> tuple[LifeLog, ...]:
        """Every life of every app, in order of source and attempt."""
        found: dict[tuple[int, int], list[Event]] = {}
        for event in self.trace.events:
            if event.replica is not None and event.attempt is not None:
                found.setdefault((event.replica, event.attempt), []).append(event)
        return tuple(
            LifeLog(source=self.sources[replica - 1], attempt=attempt, events=tuple(events))
            for (replica, attempt), events in sorted(found.items())
        )

    @cached_property
    def failed(self) -> tuple[LifeLog, ...]:
        """The lives that failed to start, or logged an error and never were ready."""
        return tuple(life for life in self.lives if life.failed or life.fatal is not None)

    def suspects(self, life: LifeLog) -> tuple[Event, ...]:
        """The errors of which one ended a failed life: its last, if others of its source failed.

        A source's only failed life has nothing to be compared with: those that left its lifespan,
        or else all of its errors. A life that was ready counts where a start in it failed as well,
        such as another worker's.
        """
        said = {event.data["says"] for event in life.events if event.kind == SERVER}
        if life.fatal is None and "startup_failed" not in said:
            return ()
        is_only = sum(each.source == life.source for each in self.failed) == 1
        if not is_only:
            return life.errors[-1:]
        return tuple(filter(ended_the_start, life.errors)) or life.errors

    @cached_property
    def fatal(self) -> tuple[Event, ...]:
        """The last error of each life that failed to start."""
        return tuple(life.fatal for life in self.failed if life.fatal is not None)

    @cached_property
    def restarted(self) -> tuple[Event, ...]:
        """The starts of a source after its first, or their number as a platform counts them."""
        starts = [e for e in self.trace.of(STARTED, SERVER) if is_start(e)]
        counted = [e for e in self.trace.of(PLATFORM_SAID) if e.data.get("restarts", 0) > 0]
        return (*(e for e in starts if (e.attempt or 0) > 1), *counted)

    @cached_property
    def names(self) -> dict[str, str]:
        """The files that are cited by name, without their folders but where two share a name."""
        found = {c.file: c.file.rpartition("/")[2] or c.file for c in chain(*self.cites.values())}
        names = [*found.values()]
        return {file: name if names.count(name) == 1 else file for file, name in found.items()}

    def lines(self, *events: Event) -> tuple[Cited, ...]:
        """The lines of these events, each once, in the order of the events."""
        return tuple(dict.fromkeys(c for e in events for c in self.cites.get(e.seq, ())))


def _is_ready(event: Event) -> bool:
    """Whether a server says that its app has started; Hypercorn listens once it has."""
    says, server = event.data.get("says"), event.data.get("server")
    return says in READY or (server == "hypercorn" and says == "listening")


def is_start(event: Event) -> bool:
    """Whether the event begins a life: a process or a web server started."""
    return event.kind == STARTED or (event.kind == SERVER and event.data.get("says") == "started")
