"""When a fault was injected or healed, in words, from the trigger as the trace has it. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crashloop.report.clean import clean, label
from crashloop.report.words import target_words

if TYPE_CHECKING:
    from crashloop.trace.event import Event

_MOMENT = re.compile(
    r"(?:(?P<after>[0-9.]{1,12}) s after )?(?P<kind>[a-z_.]{1,60})(?: \((?P<where>[^()]{1,200})\))?"
)
_AT_THE_END = "the run ended"  # what was not healed by then is healed
_HAPPENED = {
    "baseline.passed": "the path{target} was shown to work",
    "baseline.not_needed": "the app was about to start",
    "fault.healed": "fault{fault} was healed",
    "fault.injected": "fault{fault} was injected",
    "journey.step": "a step of the journey passed{life}",
    "phase.completed": "phase{phase} was first completed{life}",
    "phase.degraded": "phase{phase} was first degraded{life}",
    "phase.failed": "phase{phase} first failed{life}",
    "phase.started": "phase{phase} first began{life}",
    "process.exited": "{who} had exited",
    "process.started": "{who} had started",
    "ready.answered": "{who} first answered",
    "startup.completed": "{who} had started up",
}


def trigger_words(text: str, *, several: bool, cause: Event | None = None) -> str:
    """`when attempt 3 had exited`, or `90 s after phase database first began`.

    `cause` is the event that made the trigger fire, if it is known: it says which replica's attempt
    it was. A text of any other form is quoted: `trigger: ...`.
    """
    found = _MOMENT.fullmatch(text)
    happened = _HAPPENED.get(found["kind"]) if found else None
    if text == _AT_THE_END:
        return f"when {text}"
    if found is None or happened is None:
        return f"trigger: {clean(text, 120)}" if text else ""
    pairs = (part.partition(" ") for part in (found["where"] or "").split(", "))
    where = {name: label(value, 40) for name, _, value in pairs}
    attempt, replica = where.get("attempt"), where.get("replica")
    if cause is not None and cause.kind == found["kind"] and cause.life is not None:
        attempt = attempt or (str(cause.attempt) if "{who}" in happened else None)
        replica = replica or str(cause.replica)
    of_replica = f" of replica {replica}" if several and replica else ""
    who = f"attempt {attempt}{of_replica}" if attempt else f"an attempt{of_replica}"
    target = where.get("target")
    said = happened.format(
        who=who,
        life=f" in {who}" if attempt else f" in replica {replica}" if of_replica else "",
        phase=f" {where['phase']}" if "phase" in where else "",
        fault=f" {where['fault']}" if "fault" in where else "",
        target=f" to {target_words(target)}" if target else "",
    )
    return f"{found['after']} s after {said}" if found["after"] else f"when {said}"
