"""The JSON documents that commands print with `--json`. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from crashloop.loops import loops_of
from crashloop.outcome import fate_of
from crashloop.report.clean import clean, number
from crashloop.report.events import history_of
from crashloop.report.fate import exit_status, result_document
from crashloop.report.loops import loop_document
from crashloop.report.sentences import sentences
from crashloop.report.summary import meaning_of

if TYPE_CHECKING:
    from crashloop.model import Judgement
    from crashloop.report.compare import Comparison
    from crashloop.trace.event import Trace

MAX_LIVES = 200


def run_document(
    trace: Trace,
    judgement: Judgement,
    *,
    artifacts: str,
    trace_path: str = "",
) -> dict[str, Any]:
    """One run: verdict, what happened, findings, lives and faults (times in wall seconds).

    `loops` says what the starts and deaths of each replica amount to, in seconds of the incident.

    A run of the user's own app has the fields of `result_document` as well.
    """
    history, fate = history_of(trace), fate_of(trace)
    result = {} if fate is None else result_document(trace, judgement, fate, path=trace_path)
    return {
        **result,
        "incident": history.incident,
        "role": history.role,
        **judgement.to_json(),
        "meaning": meaning_of(history, judgement.verdict),
        "exit_status": exit_status(judgement, fate),
        "what_happened": list(sentences(history)),
        "seed": int(seed) if (seed := number(trace.header.get("seed"))) is not None else None,
        "time_scale": history.scale,
        "span_wall_s": round(history.span_s, 6),
        "span_incident_s": round(history.incident_s(history.span_s), 3),
        "replicas": history.replicas,
        "attempts": [{**asdict(one), "died": one.died} for one in history.lives[-MAX_LIVES:]],
        "attempts_started": len(history.lives),
        "loops": [loop_document(one) for one in loops_of(trace)],
        "faults": [asdict(f) for f in history.faults],
        "server_errors": [asdict(e) for e in history.server_errors],
        "journey": [{**asdict(j), "passed": j.passed} for j in history.journeys],
        "control": None if history.control is None else asdict(history.control),
        "tries": [asdict(one) for one in history.tries],
        "ending": asdict(history.ending),
        "last_lines": list(history.output),
        "artifacts": artifacts,
        "command": history.command,
    }


def judged_again(document: dict[str, Any], compared: Comparison) -> dict[str, Any]:
    """`run_document` by today's signature, with the recorded judgement and what differs."""
    recorded = compared.recorded
    return {
        **document,
        "recorded": {"error": compared.unreadable} if recorded is None else recorded.to_json(),
        "differences": [asdict(d) for d in compared.differences],
    }


def error_document(message: str, *, hint: str, exit_status: int) -> dict[str, Any]:
    """A command that ended without a result."""
    return {
        "error": clean(message, 2000),
        "hint": clean(hint, 1000),
        "exit_status": exit_status,
    }
