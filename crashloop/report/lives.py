"""The lives of a history, made from their events. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.report.clean import clean, label, number
from crashloop.report.history import HeldLink, Kill, LifeSpan, PhaseEnd, PhaseSpan, ProbeFailure
from crashloop.report.words import (
    address_words,
    count_of,
    error_words,
    exit_words,
    probe_words,
    server_words,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.model import Life
    from crashloop.report.instants import Instants
    from crashloop.trace.event import Event

MAX_PHASES = 60
MAX_PROBES = 10
MAX_HELD = 50
MAX_TARGETS = 8
LINK_KINDS = ("link.opened", "link.held", "link.released", "link.closed")
LOG_KINDS = ("log.server", "log.error")
SERVER_FAILURES = ("startup_failed", "worker_failed", "worker_timeout")
PHASE_ENDS = {
    "phase.completed": PhaseEnd.COMPLETED,
    "phase.failed": PhaseEnd.FAILED,
    "phase.degraded": PhaseEnd.DEGRADED,
}


def lives_of(events: Sequence[Event], instants: Instants) -> tuple[LifeSpan, ...]:
    """The lives in the order of their starts; `events` are in order of time."""
    of_life: dict[Life, list[Event]] = {}
    for event in events:
        if event.life is not None:
            of_life.setdefault(event.life, []).append(event)
    started = dict.fromkeys(e.life for e in events if e.kind == "process.started")
    return tuple(_life(life, of_life[life], instants) for life in started if life is not None)


def answers(event: Event) -> bool:
    """Whether the readiness address answered with success."""
    code = number(event.data.get("status_code"))
    return event.data.get("ready") is True or (code is not None and 200 <= code < 300)  # noqa: PLR2004


def _life(life: Life, events: Sequence[Event], instants: Instants) -> LifeSpan:
    started = next(e for e in events if e.kind == "process.started")
    start_s = instants.at_s(started)
    exited = next((e for e in events if e.kind == "process.exited"), None)
    end_s = max(start_s, instants.at_s(exited) if exited else instants.now_s)
    answered = [e for e in events if e.kind == "ready.answered" and answers(e)]
    ready = next((e for e in answered if e.data.get("ready") is True), None)
    return LifeSpan(
        replica=life.replica,
        attempt=life.attempt,
        start_s=start_s,
        end_s=end_s,
        old=started.data.get("revision") == "old",
        exit=exit_words(exited.data) if exited else "",
        requested=bool(exited and exited.data.get("requested")),
        phases=_phases(events, instants, end_s=end_s, is_over=exited is not None),
        probes=tuple(_probe(e, instants, start_s) for e in events if e.kind == "probe.failed")[
            :MAX_PROBES
        ],
        kills=tuple(_kill(e, instants) for e in events if e.kind == "process.killed")[:MAX_PROBES],
        serves_s=instants.at_s(answered[0]) if answered else None,
        ready_s=instants.at_s(ready) if ready else None,
        links=_links(events),
        held=_held(events, instants, end_s=end_s),
        server=_last([server_words(e.data) for e in events if _says_failed(e)]),
        error=_last([_logged(e) for e in events if e.kind == "log.error"]),
    )


def _says_failed(event: Event) -> bool:
    """Whether a server says that it, or a worker of it, failed."""
    return event.kind == "log.server" and event.data.get("says") in SERVER_FAILURES


def _last(words: Sequence[str]) -> str:
    return words[-1] if words else ""


def _logged(event: Event) -> str:
    """A logged error's chain, and the address that it is about."""
    where = address_words(event.data)
    return f"{error_words(event.data) or 'an error'}{f' at {where}' if where else ''}"


def _links(events: Sequence[Event]) -> dict[str, int]:
    """How many connections a life opened to each target."""
    opened = Counter(label(e.target, 24) for e in events if e.kind == "link.opened")
    return dict(opened.most_common(MAX_TARGETS))


def _held(events: Sequence[Event], instants: Instants, *, end_s: float) -> tuple[HeldLink, ...]:
    """The connections of a life that a fault held, each until something ended that."""
    ends: dict[str, Event] = {}
    for event in events:
        if event.kind in {"link.released", "link.closed"}:
            ends.setdefault(clean(event.data.get("link"), 60), event)
    found = []
    for held in [e for e in events if e.kind == "link.held"][:MAX_HELD]:
        end = ends.get(clean(held.data.get("link"), 60))
        start_s = min(instants.at_s(held), end_s)
        found.append(
            HeldLink(
                target=label(held.target, 24),
                start_s=start_s,
                end_s=max(start_s, min(instants.at_s(end), end_s)) if end else end_s,
                gave_up=end is not None and "client" in {*_ended_by(end)},
            )
        )
    return tuple(found)


def _ended_by(end: Event) -> Iterator[str]:
    """Who ended a held link, as the proxy names it when it lets go or closes."""
    yield label(end.data.get("by"))
    yield label(end.data.get("reason")).removesuffix(" closed")


def _probe(event: Event, instants: Instants, start_s: float) -> ProbeFailure:
    age_s = number(event.data.get("after_s"))
    at_s = instants.at_s(event)
    return ProbeFailure(
        probe=probe_words(event.data.get("probe", "?")),
        failures=count_of(event.data.get("failures")),
        at_s=at_s,
        age_s=max(0.0, at_s - start_s) if age_s is None else age_s,
    )


def _kill(event: Event, instants: Instants) -> Kill:
    return Kill(
        by=probe_words(event.data.get("by", "?")),
        signal=label(event.data.get("signal", "?"), 10),
        at_s=instants.at_s(event),
    )


def _phases(
    events: Sequence[Event], instants: Instants, *, end_s: float, is_over: bool
) -> tuple[PhaseSpan, ...]:
    spans: list[PhaseSpan] = []
    processes: list[object] = []  # that of each span; a server's workers log the same phases
    for event in events:
        name, process = label(event.data.get("phase", "?")), event.data.get("boot_id")
        outcome = PHASE_ENDS.get(event.kind)
        if event.kind == "phase.started" and len(spans) < MAX_PHASES:
            start_s = min(instants.at_s(event), end_s)
            processes.append(process)
            spans.append(
                PhaseSpan(
                    name=name,
                    start_s=start_s,
                    end_s=end_s,
                    outcome=PhaseEnd.CUT if is_over else PhaseEnd.RUNNING,
                    took_s=end_s - start_s,
                    limit_s=number(event.data.get("limit_s")),
                )
            )
        elif outcome and process in processes:
            last = len(processes) - 1 - processes[::-1].index(process)
            span = spans[last]
            if span.name != name:
                continue
            ended_s = min(max(instants.at_s(event), span.start_s), end_s)
            took_s = number(event.data.get("duration_s"))
            spans[last] = replace(
                span,
                end_s=ended_s,
                outcome=outcome,
                took_s=ended_s - span.start_s if took_s is None else took_s,
                error=error_words(event.data),
            )
    return tuple(spans)
