"""Make a run's history from its events; their values are not trusted."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crashloop.checks.scale import unfair_scale
from crashloop.report.clean import clean, label, line_as_said, listing, mapping, number
from crashloop.report.history import (
    LOCAL,
    NS_PER_S,
    AttemptSpan,
    Ending,
    FaultSpan,
    Golden,
    History,
    Outcome,
    PhaseSpan,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crashloop.trace.event import Event, Trace

HTTP_OK = 200
MAX_PHASES = 60
MAX_FAULTS = 8
MAX_OUTPUT = 12
_MAX_NS = 2**63
RECEIPTS = ("link.held", "link.delayed", "gate.syn_seen")
_ENDS = {
    "phase.completed": Outcome.COMPLETED,
    "phase.failed": Outcome.FAILED,
    "phase.degraded": Outcome.DEGRADED,
}
KINDS = frozenset(
    {
        *_ENDS,
        *RECEIPTS,
        "phase.started",
        "image.missing",
        "lab.ready",
        "baseline.passed",
        "process.started",
        "process.exited",
        "probe.answered",
        "fault.injected",
        "fault.healed",
        "golden.answered",
        "golden.row",
        "golden.failed",
        "restart.gave_up",
        "harness.failed",
        "run.refused",
        "run.interrupted",
        "run.finished",
    }
)
"""The kinds of event that a history is made of; all others may be left out."""


def history_of(trace: Trace) -> History:
    """The history of a whole trace."""
    history = history_so_far(trace.header, trace.events)
    died = [attempt.number for attempt in history.attempts if attempt.died]
    return replace(
        history,
        ending=replace(history.ending, torn=trace.torn_line),
        unfair_scale=clean(unfair_scale(trace)),
        output=_last_lines(trace, (died or [a.number for a in history.attempts])[-1:]),
    )


def history_so_far(
    header: Mapping[str, Any], events: Iterable[Event], *, now_ns: int | None = None
) -> History:
    """The history so far; what is still running ends, for now, at `now_ns` (CLOCK_MONOTONIC)."""
    shown = (e for e in events if e.kind in KINDS and abs(e.mono_ns) <= _MAX_NS)
    kept = sorted(shown, key=lambda e: (e.mono_ns, e.seq))
    begins = [e for e in kept if e.kind in {"process.started", "fault.injected"}]
    origin_ns = (begins or kept)[0].mono_ns if kept else 0
    last_ns = max([now_ns or 0, *(e.mono_ns for e in kept[-1:])])
    found = _Events(kept, origin_ns=origin_ns, last_ns=last_ns)
    attempts = found.attempts()
    scenario = mapping(header.get("scenario"))
    scale = number(header.get("time_scale")) or 1.0
    faults = found.faults(listing(scenario.get("faults")))
    ends = [a.end_s for a in attempts] + ([] if attempts else [f.end_s for f in faults])
    kinds = {e.kind for e in kept}
    return History(
        incident=clean(scenario.get("incident", "?"), 60),
        role=clean(scenario.get("role", "?"), 20),
        transport=clean(scenario.get("transport", "?"), 20),
        engine=clean(mapping(header.get("engine")).get("name", LOCAL), 20),
        seed=clean(header.get("seed", "?"), 24),
        scale=scale if scale > 0 else 1.0,
        command=_command(header.get("command")),
        making=clean(found.making(), 120),
        lab_ready="lab.ready" in kinds,
        baseline="baseline.passed" in kinds,
        attempts=attempts,
        faults=faults,
        golden=found.golden(),
        ending=found.ending(),
        span_s=max([*ends, found.now_s if begins and not ends else 0.0]),
    )


def _last_lines(trace: Trace, attempts: Sequence[int]) -> tuple[str, ...]:
    """The last unstructured lines of the attempts, safe to show."""
    said = [e.data.get("text") for n in attempts for e in trace.of("app.output", attempt=n)]
    lines = [one for text in said[-MAX_OUTPUT:] for one in str(text).split("\n") if one.strip()]
    return tuple(map(line_as_said, lines[-MAX_OUTPUT:]))


class _Events:
    """The events of one history by kind and by attempt."""

    def __init__(self, events: Sequence[Event], *, origin_ns: int, last_ns: int) -> None:
        self._origin_ns = origin_ns
        self.now_s = max(0.0, (last_ns - origin_ns) / NS_PER_S)
        self._by_kind: dict[str, list[Event]] = {}
        self._of_attempt: dict[int, list[Event]] = {}
        for event in events:
            self._by_kind.setdefault(event.kind, []).append(event)
            if event.attempt is not None:
                self._of_attempt.setdefault(event.attempt, []).append(event)

    def making(self) -> object:
        """What is pulled or built, if that is the latest thing that happened."""
        missing = self._by_kind.get("image.missing", [])
        return missing[-1].data.get("what", "") if missing else ""

    def attempts(self) -> tuple[AttemptSpan, ...]:
        numbers = dict.fromkeys(e.attempt for e in self._by_kind.get("process.started", ()))
        return tuple(self._attempt(n, self._of_attempt[n]) for n in numbers if n is not None)

    def _attempt(self, attempt: int, events: Sequence[Event]) -> AttemptSpan:
        start_s = self._at_s(next(e for e in events if e.kind == "process.started"))
        exited = next((e for e in events if e.kind == "process.exited"), None)
        end_s = max(start_s, self._at_s(exited) if exited else self.now_s)
        answers = [
            e for e in events if e.kind == "probe.answered" and e.data.get("status_code") == HTTP_OK
        ]
        ready = next((e for e in answers if e.data.get("status") == "ready"), None)
        return AttemptSpan(
            number=attempt,
            start_s=start_s,
            end_s=end_s,
            exit=exit_words(exited.data) if exited else "",
            requested=bool(exited and exited.data.get("requested")),
            phases=self._phases(events, end_s=end_s, is_over=exited is not None),
            serves_s=self._at_s(answers[0]) if answers else None,
            ready_s=self._at_s(ready) if ready else None,
        )

    def _phases(
        self, events: Sequence[Event], *, end_s: float, is_over: bool
    ) -> tuple[PhaseSpan, ...]:
        spans: list[PhaseSpan] = []
        for event in events:
            name = label(event.data.get("phase", "?"))
            outcome = _ENDS.get(event.kind)
            if event.kind == "phase.started" and len(spans) < MAX_PHASES:
                start_s = min(self._at_s(event), end_s)
                spans.append(
                    PhaseSpan(
                        name=name,
                        start_s=start_s,
                        end_s=end_s,
                        outcome=Outcome.CUT if is_over else Outcome.RUNNING,
                        took_s=end_s - start_s,
                        limit_s=number(event.data.get("limit_s")),
                    )
                )
            elif outcome and spans and spans[-1].name == name:
                span = spans[-1]
                ended_s = min(max(self._at_s(event), span.start_s), end_s)
                took_s = number(event.data.get("duration_s"))
                spans[-1] = replace(
                    span,
                    end_s=ended_s,
                    outcome=outcome,
                    took_s=ended_s - span.start_s if took_s is None else took_s,
                    error=error_words(event.data),
                )
        return tuple(spans)

    def faults(self, planned: Sequence[Any]) -> tuple[FaultSpan, ...]:
        grades = {
            str(mapping(f).get("name")): clean(mapping(f).get("grade", "?"), 20) for f in planned
        }
        spans = []
        for event in self._by_kind.get("fault.injected", [])[:MAX_FAULTS]:
            name = event.data.get("fault")
            heals = (
                e for e in self._by_kind.get("fault.healed", []) if e.data.get("fault") == name
            )
            healed = next(heals, None)
            receipts = [
                e
                for kind in RECEIPTS
                for e in self._by_kind.get(kind, ())
                if e.data.get("fault") == name and e.attempt is not None
            ]
            spans.append(
                FaultSpan(
                    name=label(name, 40),
                    kind=label(event.data.get("fault_kind", "?"), 24),
                    says=fault_words(event.data),
                    grade=grades.get(str(name), "?"),
                    plugged=event.data.get("plugged") is not False,
                    start_s=self._at_s(event),
                    end_s=self._at_s(healed) if healed else self.now_s,
                    healed=healed is not None,
                    trigger=clean(healed.data.get("trigger", ""), 120) if healed else "",
                    receipts=len(receipts),
                )
            )
        return tuple(spans)

    def golden(self) -> Golden:
        row = self._first("golden.row")
        failed = self._first("golden.failed")
        return Golden(
            answered=self._first("golden.answered") is not None,
            row=clean(row.data.get("id", "?"), 24) if row else "",
            failed=clean(failed.data.get("why", "?")) if failed else "",
        )

    def ending(self) -> Ending:
        broke = self._first("harness.failed")
        refused = self._first("run.refused")
        gave_up = self._first("restart.gave_up")
        finished = self._first("run.finished")
        return Ending(
            how=clean(finished.data.get("how", ""), 120) if finished else "",
            failure=clean(broke.data.get("message", "?"), 1000) if broke else "",
            hint=clean(broke.data.get("hint", ""), 500) if broke else "",
            refused=clean(refused.data.get("message", "?"), 1000) if refused else "",
            interrupted=self._first("run.interrupted") is not None,
            gave_up=clean(gave_up.data.get("reason", "?")) if gave_up else "",
        )

    def _first(self, kind: str) -> Event | None:
        return next(iter(self._by_kind.get(kind, ())), None)

    def _at_s(self, event: Event) -> float:
        return min(max(0.0, (event.mono_ns - self._origin_ns) / NS_PER_S), self.now_s)


def _command(value: object) -> str:
    """The command that runs it again, if it is one of ours; readers paste it into a shell."""
    text = clean(value, 2000) if isinstance(value, str) else ""
    try:
        words = shlex.split(text)
    except ValueError:
        return ""
    is_ours = words[:1] in (["crashloop"], ["pytest"]) and shlex.join(words) == text
    return text if is_ours else ""


def error_words(data: Mapping[str, Any]) -> str:
    """The chain of a failed phase's errors: `TimeoutError <- CancelledError`; empty without one."""
    links = []
    for error in listing(data.get("error"))[:4]:
        name = label(str(mapping(error).get("type", "?")).rsplit(".", 1)[-1], 40)
        sqlstate = mapping(error).get("sqlstate")
        links.append(f"{name} [{label(sqlstate, 8)}]" if sqlstate else name)
    return " <- ".join(links)


def fault_words(data: Mapping[str, Any]) -> str:
    """A fault's kind and parameters, in the incident's seconds: `hold, delay 30 s`."""
    words = [label(data.get("fault_kind", "?"), 24)]
    for name, value in list(mapping(data.get("params")).items())[:6]:
        amount = number(value)
        shown = label(value) if amount is None else f"{amount:g}"
        noun = label(name)
        words.append(
            f"{noun.removesuffix('_s')} {shown} s" if noun.endswith("_s") else f"{noun} {shown}"
        )
    return ", ".join(words)


def exit_words(data: Mapping[str, Any]) -> str:
    """How a process ended: `exit 3`, or a signal's name."""
    code = number(data.get("exit_code"))
    return f"exit {code:g}" if code is not None else label(data.get("signal") or "ended", 10)
