"""Where two judgements of one trace differ, and by which checks. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.report.clean import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crashloop.model import CheckSpec, Finding, Judgement, Signature

_HOLDS = {True: "holds", False: "refuted", None: "saw nothing"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that differs: what, in the recorded signature or judgement, and in today's."""

    what: str
    recorded: str
    today: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A trace judged by today's signature beside its own; `unreadable` says why not, if not."""

    today: Judgement
    recorded: Judgement | None
    differences: tuple[Difference, ...] = ()
    unreadable: str = ""


def differences(
    recorded: Signature, today: Signature, then: Judgement, now: Judgement
) -> Iterator[Difference]:
    """Checks that were added, removed or changed, and findings and verdicts that differ."""
    if then.verdict is not now.verdict:
        yield Difference(what="verdict", recorded=str(then.verdict), today=str(now.verdict))
    old, new = _specs(recorded), _specs(today)
    for name in [*old, *(n for n in new if n not in old)]:
        before, after = old.get(name, "not there"), new.get(name, "not there")
        if before != after:
            yield Difference(what=f"check {clean(name, 80)}", recorded=before, today=after)
    was, is_now = _findings(then), _findings(now)
    for name, finding in is_now.items():
        before_it = was.get(name)
        if before_it is not None and before_it.holds is not finding.holds:
            yield Difference(
                what=f"finding {clean(name, 80)}",
                recorded=f"{_HOLDS[before_it.holds]}: {clean(before_it.says)}",
                today=f"{_HOLDS[finding.holds]}: {clean(finding.says)}",
            )


def _specs(signature: Signature) -> dict[str, str]:
    """Each check with its role and parameters in words; a repeated one gets a number."""
    found: dict[str, str] = {}
    for role, specs in (("required", signature.require), ("expected", signature.expect)):
        for spec in specs:
            found[_free_name(str(spec.check), found)] = f"{role} {_params(spec)}".strip()
    return found


def _free_name(name: str, taken: Mapping[str, object]) -> str:
    free, count = name, 2
    while free in taken:
        free, count = f"{name} #{count}", count + 1
    return free


def _params(spec: CheckSpec) -> str:
    return clean(json.dumps(spec.params, sort_keys=True)) if spec.params else ""


def _findings(judgement: Judgement) -> dict[str, Finding]:
    """Each finding by its check, named as `_specs` names them: a judgement has their order."""
    found: dict[str, Finding] = {}
    for finding in judgement.findings:
        found[_free_name(finding.check, found)] = finding
    return found
