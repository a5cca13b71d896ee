"""Today's failures, accepted: a later check fails only for what got worse. Pure.

A baseline is a JSON file with the outcome and the flags of each incident.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from crashloop.errors import UsageError
from crashloop.model import Flag, Outcome
from crashloop.plural import listed
from crashloop.survey.result import RANKS, Met, Result

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCHEMA = "crashloop.baseline/1"
DATA_FLAGS = (Flag.DATA_LOST, Flag.DATA_DOUBLED)
"""The flags that make an outcome worse where they are new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What a baseline accepts of one incident."""

    outcome: Outcome
    flags: tuple[str, ...] = ()


def read_baseline(text: str, *, file: str, app: str) -> dict[str, Accepted]:
    """What the file's text accepts, by incident; UsageError if it is no baseline of `app`."""
    hint = f"write it again: crashloop check {app} --baseline {file} --update-baseline"
    try:
        data = json.loads(text)
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise UsageError(f"{file} is no baseline that this version reads", hint=hint)
        if data["app"] != app:
            raise UsageError(
                f"{file} is the baseline of app {data['app']}, not of {app}",
                hint="give each app a file of its own",
            )
        return {
            str(name): Accepted(outcome=Outcome(one["outcome"]), flags=tuple(one["flags"]))
            for name, one in data["results"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        problem = f"{type(error).__name__}: {error}"
        raise UsageError(f"{file} cannot be read as a baseline: {problem}", hint=hint) from None


def baseline_text(
    results: Iterable[Result], *, app: str, before: Mapping[str, Accepted] | None = None
) -> str:
    """The file's text: what `before` accepts, replaced by these results."""
    found = {name: _entry(one.outcome, one.flags) for name, one in (before or {}).items()}
    for each in results:
        is_known = each.outcome in RANKS or each.outcome is Outcome.INCONCLUSIVE
        if is_known and each.met is not Met.HARNESS:
            found[each.incident] = _entry(each.outcome, each.flags)
    data = {"schema": SCHEMA, "app": app, "results": dict(sorted(found.items()))}
    return json.dumps(data, indent=2) + "\n"


def compared(result: Result, accepted: Mapping[str, Accepted]) -> Result:
    """The result as the baseline sees it: known, worse, or better than it was."""
    was = accepted.get(result.incident)
    if was is None or result.outcome is None or result.met in {Met.HARNESS, Met.NEVER_STARTED}:
        return result
    new = [flag for flag in DATA_FLAGS if flag in result.flags and flag not in was.flags]
    before, now = RANKS.get(was.outcome), RANKS.get(result.outcome)
    if before is not None and now is not None:
        if now > before:
            return replace(result, met=Met.NOT_MET, changed=f"worse: it was {was.outcome}")
        if new:
            return replace(result, met=Met.NOT_MET, changed=f"worse: {listed(new)} is new")
        changed = f"better: it was {was.outcome}" if now < before else ""
        return replace(result, changed=changed, met=_known(result))
    if now is None:
        known = was.outcome is result.outcome
        return replace(result, met=Met.KNOWN) if known else result
    return replace(result, changed=f"it was {was.outcome}")


def is_better(results: Iterable[Result]) -> bool:
    """Whether the baseline could be stricter now."""
    return any(each.changed.startswith("better") for each in results)


def _known(result: Result) -> Met:
    return Met.KNOWN if result.met is Met.NOT_MET else result.met


def _entry(outcome: Outcome | None, flags: Iterable[str]) -> dict[str, Any]:
    return {"outcome": str(outcome), "flags": sorted(map(str, flags))}
