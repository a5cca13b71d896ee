"""Make a run's history from its events; their values are not trusted."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crashloop.checks.platform import restarter
from crashloop.checks.scale import unfair_scale
from crashloop.model import Life
from crashloop.report.clean import clean, label, line_as_said, listing, mapping, number
from crashloop.report.control import control_of
from crashloop.report.faults import faults_of
from crashloop.report.history import (
    LOCAL,
    Ending,
    History,
    ServerError,
)
from crashloop.report.instants import Instants
from crashloop.report.journeys import journeys_of, tries_of
from crashloop.report.lives import LINK_KINDS, LOG_KINDS, PHASE_ENDS, lives_of
from crashloop.report.receipts import with_witnesses
from crashloop.report.words import count_of
from crashloop.trace.event import MAX_REPLICAS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crashloop.report.history import LifeSpan
    from crashloop.trace.event import Event, Trace

MAX_DEPENDENCIES = 8
MAX_ERRORS = 6
MAX_OUTPUT = 12
MAX_NOT_ASKED = 40
_MAX_NS = 2**63
_BEGINS = frozenset({"process.started", "fault.injected"})
KINDS = frozenset(
    {
        *PHASE_ENDS,
        *LINK_KINDS,
        *LOG_KINDS,
        "phase.started",
        "setup.finished",
        "control.started",
        "control.ready",
        "control.ended",
        "control.failed",
        "before.passed",
        "journey.tried",
        "image.missing",
        "lab.ready",
        "baseline.passed",
        "process.started",
        "process.exited",
        "process.killed",
        "probe.failed",
        "ready.answered",
        "database.error",
        "fault.injected",
        "fault.healed",
        "journey.step",
        "journey.waiting",
        "journey.failed",
        "restart.gave_up",
        "harness.failed",
        "run.refused",
        "run.interrupted",
        "run.finished",
    }
)
"""The kinds of event that a history is made of, besides the receipts of the planned faults."""


def history_of(trace: Trace) -> History:
    """The history of a whole trace."""
    history = with_witnesses(history_so_far(trace.header, trace.events), trace)
    told = told_life(history)
    overlap = count_of(mapping(trace.scenario.get("replicas")).get("overlap", 0))
    return replace(
        history,
        ending=replace(history.ending, torn=trace.torn_line),
        unfair_scale=_unfair_scale(trace),
        output=_last_lines(trace, told),
        log=_log_name(told, several=history.replicas + overlap > 1),
    )


def _unfair_scale(trace: Trace) -> str:
    """Why the time scale was too large; empty too if the trace is not as checks expect it."""
    try:
        return clean(unfair_scale(trace))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return ""


def told_life(history: History) -> LifeSpan | None:
    """The life whose last lines say most: the last that died, else the last of all."""
    told = [life for life in history.lives if life.died] or history.lives
    return told[-1] if told else None


def history_so_far(
    header: Mapping[str, Any], events: Iterable[Event], *, now_ns: int | None = None
) -> History:
    """The history so far; what is still running ends, for now, at `now_ns` (CLOCK_MONOTONIC)."""
    scenario = mapping(header.get("scenario"))
    planned = [mapping(fault) for fault in listing(scenario.get("faults"))]
    kept = _kept(events)
    instants = _instants(kept, now_ns)
    scale = number(header.get("time_scale")) or 1.0
    lives = lives_of(kept, instants)
    found = _Events(kept)
    history = History(
        incident=clean(scenario.get("incident", "?"), 60),
        role=clean(scenario.get("role", "?"), 20),
        engine=clean(mapping(header.get("engine")).get("name", LOCAL), 20),
        restarter=_restarter(header),
        replicas=_replicas(scenario),
        dependencies=_dependencies(scenario),
        healthy=frozenset(label(e.target, 24) for e in found.of("baseline.passed")),
        seed=clean(header.get("seed", "?"), 24),
        scale=scale if scale > 0 else 1.0,
        command=_command(header.get("command")),
        making=clean(found.making(), 120),
        lab_ready=bool(found.of("lab.ready")),
        lives=lives,
        faults=(),
        server_errors=found.server_errors(),
        journeys=journeys_of(kept),
        is_own_app=scenario.get("is_own_app") is True,
        remedy=clean(scenario.get("remedy") or "", 60),
        not_asked={
            clean(check, 60): clean(reason)
            for check, reason in list(mapping(scenario.get("not_asked")).items())[:MAX_NOT_ASKED]
        },
        control=control_of(kept),
        tries=tries_of(kept, instants),
        ending=found.ending(),
    )
    faults = faults_of(kept, planned, instants=instants, history=history)
    ends = [life.end_s for life in lives] or [fault.end_s for fault in faults]
    begins = any(e.kind in _BEGINS for e in kept)
    span_s = max([*ends, instants.now_s if begins and not ends else 0.0])
    return replace(history, faults=faults, span_s=span_s)


def instants_of(trace: Trace) -> Instants:
    """The instants that the trace's history goes by."""
    return _instants(_kept(trace.events), None)


def _kept(events: Iterable[Event]) -> list[Event]:
    """What a history is made of, in order of time."""
    sane = (e for e in events if abs(e.mono_ns) <= _MAX_NS)
    return [e for e in sorted(sane, key=lambda e: (e.mono_ns, e.seq)) if _is_genuine(e)]


def _instants(kept: Sequence[Event], now_ns: int | None) -> Instants:
    begins = [e for e in kept if e.kind in _BEGINS]
    return Instants(
        origin_ns=(begins or kept)[0].mono_ns if kept else 0,
        last_ns=max([now_ns or 0, *(e.mono_ns for e in kept[-1:])]),
    )


def _is_genuine(event: Event) -> bool:
    """Whether it is part of a history: an app may log any kind, but speaks for itself only."""
    is_its_own = event.kind in {"phase.started", *PHASE_ENDS, *LOG_KINDS}
    return event.kind in KINDS and (event.source != "app" or is_its_own)


def _restarter(header: Mapping[str, Any]) -> str:
    try:
        return clean(restarter(header), 100)
    except (AttributeError, KeyError, TypeError):  # not a header as a run writes it
        return "the platform"


def _replicas(scenario: Mapping[str, Any]) -> int:
    count = count_of(mapping(scenario.get("replicas")).get("count", 1))
    return min(max(count, 1), MAX_REPLICAS)


def _dependencies(scenario: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    found = [mapping(d) for d in listing(scenario.get("dependencies"))[:MAX_DEPENDENCIES]]
    return tuple(
        (label(d.get("name", "?")), label(d.get("kind", "?")), label(d.get("transport", "?")))
        for d in found
    )


def _log_name(life: LifeSpan | None, *, several: bool) -> str:
    if life is None:
        return ""
    return Life(life.replica, life.attempt).log_name(several=several)


def _last_lines(trace: Trace, life: LifeSpan | None) -> tuple[str, ...]:
    """The last unstructured lines of a life, safe to show."""
    if life is None:
        return ()
    found = trace.of("app.output")[::-1]
    ours = (e for e in found if (e.replica, e.attempt) == (life.replica, life.attempt))
    said = [e.data.get("text") for e, _ in zip(ours, range(MAX_OUTPUT), strict=False)][::-1]
    lines = [one for text in said for one in str(text).split("\n") if one.strip()]
    return tuple(map(line_as_said, lines[-MAX_OUTPUT:]))


class _Events:
    """The events of one history by kind."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._by_kind: dict[str, list[Event]] = {}
        for event in events:
            self._by_kind.setdefault(event.kind, []).append(event)

    def of(self, kind: str) -> list[Event]:
        """The events of one kind."""
        return self._by_kind.get(kind, [])

    def making(self) -> object:
        """What is pulled or built, if that is the latest thing that happened."""
        missing = self.of("image.missing")
        return missing[-1].data.get("what", "") if missing else ""

    def server_errors(self) -> tuple[ServerError, ...]:
        """The most frequent errors that servers logged."""
        errors = Counter(
            (label(e.target, 24), label(e.data.get("sqlstate", "?"), 8))
            for e in self.of("database.error")
        )
        return tuple(
            ServerError(target=target, sqlstate=sqlstate, times=times)
            for (target, sqlstate), times in errors.most_common(MAX_ERRORS)
        )

    def ending(self) -> Ending:
        """How the run ended."""
        broke = self._first("harness.failed")
        refused = self._first("run.refused")
        finished = self._first("run.finished")
        gave_up = {
            e.replica or 1: clean(e.data.get("reason", "?")) for e in self.of("restart.gave_up")
        }
        return Ending(
            how=clean(finished.data.get("how", ""), 120) if finished else "",
            failure=clean(broke.data.get("message", "?"), 1000) if broke else "",
            hint=clean(broke.data.get("hint", ""), 500) if broke else "",
            refused=clean(refused.data.get("message", "?"), 1000) if refused else "",
            interrupted=self._first("run.interrupted") is not None,
            gave_up=gave_up,
        )

    def _first(self, kind: str) -> Event | None:
        return next(iter(self.of(kind)), None)


def _command(value: object) -> str:
    """The command that runs it again, if it is one of ours; readers paste it into a shell."""
    text = clean(value, 2000) if isinstance(value, str) else ""
    try:
        words = shlex.split(text)
    except ValueError:
        return ""
    is_ours = words[:1] in (["crashloop"], ["pytest"]) and shlex.join(words) == text
    return text if is_ours else ""
