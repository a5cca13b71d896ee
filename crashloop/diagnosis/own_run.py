"""The diagnosis of a run of ours: its trace is judged, so its cause is known. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from crashloop.diagnosis.case import Case, Cited, Counts
from crashloop.diagnosis.cause import Cause, InLogs, Sign
from crashloop.diagnosis.diagnosis import Confidence, Diagnosis, Seen, Weighed
from crashloop.model import Role, Verdict
from crashloop.trace.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crashloop.model import Finding, Judgement
    from crashloop.trace.event import Event, Trace

MAX_CITED_CHARS = 500
MAX_EVENTS = 12
"""How many events of one finding are cited: the first ones."""
_NEXT = "the report of the run: crashloop report {file}"


def diagnosis_of_run(
    trace: Trace, judgement: Judgement, causes: Iterable[Cause], *, file: str
) -> Diagnosis:
    """The incident that a reproduction reproduced, by its own signature; else unknown, with why."""
    incident, role = str(trace.scenario.get("incident")), str(trace.scenario.get("role"))
    case = _case(trace, file)
    why_not = ""
    if judgement.verdict is not Verdict.REPRODUCED:
        why_not = f"the verdict of this run of {incident} is {judgement.verdict}: "
        why_not += judgement.reason
    elif role != Role.REPRODUCTION:
        why_not = f"this is the {role} run of {incident}: only a reproduction shows the outage"
    if why_not:
        return Diagnosis(
            case=case, causes=(), ruled_out=(), unknown=True, decides=(why_not,), run=judgement
        )
    cause = next((c for c in causes if c.id == incident), None) or Cause(
        id=incident,
        title=str(trace.scenario.get("title")),
        meaning=str(trace.scenario.get("title")),
        in_logs=InLogs(decides=(), next=_NEXT.format(file=file)),
        reproduce=str(trace.header.get("command") or ""),
    )
    by_seq = {event.seq: event for event in trace.events}
    weighed = Weighed(
        cause=cause,
        confidence=Confidence.HIGH,
        decided=_seen(judgement, "expect", by_seq),
        pointed=_seen(judgement, "require", by_seq),
    )
    return Diagnosis(
        case=case, causes=(weighed,), ruled_out=(), unknown=False, decides=(), run=judgement
    )


def _seen(judgement: Judgement, role: str, by_seq: dict[int, Event]) -> tuple[Seen, ...]:
    """The findings of one role that rest on events, each as a sign."""
    found = [finding for finding in judgement.findings if finding.role == role]
    seen = [(finding, _evidence(finding, by_seq)) for finding in found]
    return tuple(
        Seen(sign=Sign(says=finding.says, look=lambda _: ()), events=events)
        for finding, events in seen
        if events
    )


def _evidence(finding: Finding, by_seq: dict[int, Event]) -> tuple[Event, ...]:
    return tuple(by_seq[seq] for seq in finding.evidence[:MAX_EVENTS] if seq in by_seq)


def _case(trace: Trace, file: str) -> Case:
    """The trace as a case: each event is cited by its line, which follows the header's."""
    redactor = Redactor()
    cites = {event.seq: (_cited(event, file, redactor),) for event in trace.events}
    counts = Counts(read=len(trace.events) + 1, understood=len(trace.events) + 1)
    names = tuple(f"replica {number}" for number in trace.replicas())
    return Case(trace=trace, cites=cites, sources=names, counts=counts)


def _cited(event: Event, file: str, redactor: Redactor) -> Cited:
    text = f"{event.kind} {json.dumps(dict(event.data), ensure_ascii=False, default=str)}"
    return Cited(file, event.seq + 1, redactor.text(text[: 4 * MAX_CITED_CHARS])[:MAX_CITED_CHARS])
