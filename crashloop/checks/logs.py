"""The incident's failure pattern in log entries alone, without a trace: what on-call would have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from crashloop.checks.phases import AT_LIMIT, error_chain, matches
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
    whose preceding failure is another one refutes it: exit 3 alone proves nothing.
    """
    failure: tuple[int, Mapping[str, Any]] | None = None
    evidence: list[int] = []
    seen = 0
    for index, entry in enumerate(entries):
        payload = entry.get("jsonPayload") or {}
        if payload.get("event") == "phase.failed":
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
    if payload.get("phase") != phase:
        return (
            f"the failure before the exit is {error_chain(payload)} in phase "
            f"{payload.get('phase')}, not in {phase}"
        )
    if not matches(payload, errors):
        return f"phase {phase} failed with {error_chain(payload)}, no time-out or connection error"
    if float(payload["duration_s"]) < AT_LIMIT * float(payload["limit_s"]):
        return f"phase {phase} failed before its limit: it was refused, it did not hang"
    return ""


def _refuted(says: str, *indexes: int) -> Result:
    return Result(holds=False, says=says, evidence=indexes)
