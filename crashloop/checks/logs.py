"""The incident's failure pattern in log entries alone, without a trace: what on-call would have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from crashloop.checks.lines import error_chain, errors_of, matches, seconds
from crashloop.checks.phases import AT_LIMIT
from crashloop.checks.result import Result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_EXIT = re.compile(r"Container called exit\((?P<code>-?[0-9]+)\)\.")


def failure_pattern(
    entries: Sequence[Mapping[str, Any]],
    *,
    phase: str,
    code: int,
    times: int,
    errors: Sequence[str],
) -> Result:
    """At least `times` times: `phase` failed at its limit with one of `errors`, then exit `code`.

    `entries` are Cloud Logging entries in order of time; `evidence` are their indexes. An exit
    whose preceding failure is another one refutes it: exit 3 alone proves nothing. `holds` is None
    where the failure before an exit is missing or cannot be read.
    """
    failure: tuple[int, Mapping[str, Any]] | None = None
    evidence: list[int] = []
    seen = 0
    for index, entry in enumerate(entries):
        payload = entry.get("jsonPayload")
        if isinstance(payload, dict) and payload.get("event") == "phase.failed":
            failure = (index, payload)
            continue
        called = _EXIT.fullmatch(str(entry.get("textPayload", "")))
        if called is None:
            continue
        if int(called["code"]) != code:
            return _refuted(f"the container called exit({called['code']}), not {code}", index)
        if failure is None:
            return Result(holds=None, says="an exit without any logged failure", evidence=(index,))
        at, payload = failure
        if why := _unlike(payload, phase, errors):
            return _refuted(why, at, index)
        if field := _unreadable(payload):
            why = f"the failure before the exit has no readable {field}"
            return Result(holds=None, says=why, evidence=(at, index))
        evidence += [at, index]
        seen += 1
        failure = None
    if seen < times:
        return _refuted(f"the pattern occurs {seen} times, not {times}", *evidence)
    return Result(
        holds=True,
        says=f"phase {phase} failed at its limit and the container called exit({code}), "
        f"{seen} times over",
        evidence=tuple(evidence),
    )


def _unlike(payload: Mapping[str, Any], phase: str, errors: Sequence[str]) -> str:
    """What sets a logged failure apart from the pattern; empty where nothing does."""
    where = payload.get("phase")
    if isinstance(where, str) and where != phase:
        return (
            f"the failure before the exit is {error_chain(payload)} in phase {where}, "
            f"not in {phase}"
        )
    if errors_of(payload) and not matches(payload, errors):
        return f"phase {phase} failed with {error_chain(payload)}, no time-out or connection error"
    took_s, limit_s = seconds(payload, "duration_s"), seconds(payload, "limit_s")
    if took_s is not None and limit_s and took_s < AT_LIMIT * limit_s:
        return f"phase {phase} failed before its limit: it was refused, it did not hang"
    return ""


def _unreadable(payload: Mapping[str, Any]) -> str:
    """The first field of a failure that the pattern needs and that cannot be read."""
    if not isinstance(payload.get("phase"), str):
        return "phase"
    if not errors_of(payload):
        return "error"
    return next((key for key in ("duration_s", "limit_s") if not seconds(payload, key)), "")


def _refuted(says: str, *indexes: int) -> Result:
    return Result(holds=False, says=says, evidence=indexes)
