"""The JSON documents that commands print with `--json`. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from crashloop.report.clean import clean
from crashloop.report.narrative import sentences
from crashloop.report.summary import MEANING
from crashloop.report.telling import story_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.model import Judgement
    from crashloop.report.compare import Difference
    from crashloop.trace.event import Trace

MAX_ATTEMPTS = 200


def run_document(trace: Trace, judgement: Judgement, *, artifacts: str) -> dict[str, Any]:
    """One run: verdict, what happened, findings, attempts and faults (times in wall seconds)."""
    story = story_of(trace)
    return {
        "incident": story.incident,
        "role": story.role,
        **judgement.to_json(),
        "meaning": MEANING[judgement.verdict],
        "exit_status": judgement.verdict.exit_status,
        "what_happened": list(sentences(story)),
        "seed": trace.header.get("seed"),
        "time_scale": story.scale,
        "span_wall_s": round(story.span_s, 6),
        "span_incident_s": round(story.incident_s(story.span_s), 3),
        "attempts": [{**asdict(a), "died": a.died} for a in story.attempts[-MAX_ATTEMPTS:]],
        "attempts_started": len(story.attempts),
        "faults": [asdict(f) for f in story.faults],
        "golden_path": asdict(story.golden),
        "ending": asdict(story.ending),
        "artifacts": artifacts,
        "command": story.command,
    }


def judged_again(
    document: dict[str, Any], today: Judgement, differences: Sequence[Difference]
) -> dict[str, Any]:
    """`run_document` with today's judgement in front and what differs from the recorded one."""
    return {
        **document,
        **today.to_json(),
        "meaning": MEANING[today.verdict],
        "exit_status": today.verdict.exit_status,
        "recorded": {
            key: document[key] for key in ("verdict", "reason", "signature", "signature_sha256")
        },
        "differences": [asdict(d) for d in differences],
    }


def error_document(message: str, *, hint: str, exit_status: int) -> dict[str, Any]:
    """A command that ended without a result."""
    return {
        "error": clean(message, 2000),
        "hint": clean(hint, 1000),
        "exit_status": exit_status,
    }
