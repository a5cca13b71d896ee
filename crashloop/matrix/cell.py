"""One trace, judged by the signatures of the library. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from crashloop.checks.evidence import evidence_complete
from crashloop.checks.lives import deaths
from crashloop.judge import ended_early, judge
from crashloop.model import CheckSpec, Finding, Judgement, Verdict

if TYPE_CHECKING:
    from crashloop.matrix.library import Library
    from crashloop.model import Signature
    from crashloop.trace.event import Trace

COUNTS = frozenset({"times", "restarts"})
"""The parameters of checks that say how often the app dies: how long the outage is, which is
chosen."""


class Expected(StrEnum):
    """What the judge must say; `OVERLAP`: one of the two declares that it may match as well."""

    REPRODUCED = "REPRODUCED"
    NOT_REPRODUCED = "NOT_REPRODUCED"
    OVERLAP = "OVERLAP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A signature against a trace; both are names.

    `decided_by` is the finding behind a verdict other than REPRODUCED, None where the run as a
    whole decided; `why` is the judge's reason. `unmet` is the requirement by which the trace is no
    fair test of the signature, though it is one of its own; "" if there is none. `by_count`: only
    the number of deaths rejects the trace. A declared overlap is judged whatever that is.
    """

    signature: str
    trace: str
    verdict: Verdict
    expected: Expected
    why: str
    decided_by: Finding | None = None
    unmet: str = ""
    by_count: bool = False

    @property
    def is_own(self) -> bool:
        """Whether the trace is that of the signature's own incident."""
        return self.signature == self.trace

    @property
    def is_false_match(self) -> bool:
        """Whether the signature takes another's trace for its own."""
        return self.verdict is Verdict.REPRODUCED and self.expected is Expected.NOT_REPRODUCED

    @property
    def is_missing(self) -> bool:
        """Whether the signature does not find itself in its own trace."""
        return self.is_own and self.verdict is not Verdict.REPRODUCED

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        found = self.decided_by
        return {
            "signature": self.signature,
            "trace": self.trace,
            "verdict": str(self.verdict),
            "expected": str(self.expected),
            "decided_by": None if found is None else found.to_json(),
            "why": self.why,
            "unmet": self.unmet,
            "by_count": self.by_count,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """The cells of one trace. `own` is the judgement by the trace's own signature.

    A trace that does not show what it was made for has no cells but that of its own incident: what
    rejects it rejects something else.
    """

    trace: str
    path: str
    own: Judgement
    cells: tuple[Cell, ...]

    @property
    def is_shown(self) -> bool:
        """Whether the trace shows what it was made for."""
        return self.own.verdict is Verdict.REPRODUCED


def why_not_whole(trace: Trace) -> str:
    """Why the trace can show nothing, whatever the signature; "" if it can.

    The run did not end as runs do, or lines are missing.
    """
    if ended := ended_early(trace):
        return ended[1]
    complete = evidence_complete(trace)
    return "" if complete.holds else complete.says


def column(trace: Trace, name: str, known: Library, *, path: str = "") -> Column:
    """Judge a trace of `name` by each signature that is held against it."""
    mine = known.scenarios[name].signature
    own = judge(trace, mine)
    is_shown = own.verdict is Verdict.REPRODUCED
    return Column(
        trace=name,
        path=path,
        own=own,
        cells=tuple(
            _cell(trace, name, signature, mine, known)
            for signature in known.against(name)
            if is_shown or signature == name
        ),
    )


def _cell(trace: Trace, name: str, signature: str, own: Signature, known: Library) -> Cell:
    """One cell.

    The trace is a fair test: its own signature says so. Where another one asks for another path,
    its expectations alone are asked, and can reject the trace, but never match it.
    """
    asked, expected = known.scenarios[signature].signature, _expected(signature, name, known)
    found, unmet, by_count = judge(trace, asked), "", False
    if expected is not Expected.REPRODUCED:
        found, by_count = _whatever_the_count(trace, asked, found)
    if found.verdict is Verdict.INCONCLUSIVE and expected is not Expected.REPRODUCED:
        fair = replace(asked, require=own.require)
        rejected, is_counted = _whatever_the_count(trace, fair, judge(trace, fair))
        first = _unmet(found)
        if first and rejected.verdict is Verdict.NOT_REPRODUCED and not is_counted:
            found, unmet = rejected, first.check
    if by_count and expected is Expected.OVERLAP:
        found, by_count = judge(trace, _as_often(trace, asked)), False
    return Cell(
        signature=signature,
        trace=name,
        verdict=found.verdict,
        expected=expected,
        why=found.reason,
        decided_by=_deciding(found),
        unmet=unmet,
        by_count=by_count,
    )


def _whatever_the_count(
    trace: Trace, signature: Signature, found: Judgement
) -> tuple[Judgement, bool]:
    """The judgement whatever the number of deaths, and whether nothing but that rejects."""
    if found.verdict is not Verdict.NOT_REPRODUCED or not deaths(trace):
        return found, False
    often = judge(trace, _as_often(trace, signature))
    return (found, True) if often.verdict is Verdict.REPRODUCED else (often, False)


def _expected(signature: str, trace: str, known: Library) -> Expected:
    if signature == trace:
        return Expected.REPRODUCED
    return Expected.OVERLAP if known.overlap(signature, trace) else Expected.NOT_REPRODUCED


def _deciding(found: Judgement) -> Finding | None:
    refuted = next(iter(_refuted(found)), None)
    match found.verdict:
        case Verdict.NOT_REPRODUCED:
            return refuted
        case Verdict.INCONCLUSIVE if _unmet(found):
            return _unmet(found)
        case Verdict.INCONCLUSIVE if refuted is None:
            return next((each for each in found.findings if not each.holds), None)
    return None


def _unmet(found: Judgement) -> Finding | None:
    """The first requirement that is not met."""
    return next((f for f in found.findings if f.role == "require" and not f.holds), None)


def _refuted(found: Judgement) -> list[Finding]:
    return [each for each in found.findings if each.role == "expect" and each.holds is False]


def _as_often(trace: Trace, signature: Signature) -> Signature:
    """The signature of an outage in which the app dies as often as in the trace."""
    often = min(Counter(died.replica for died in deaths(trace)).values())

    def of_trace(spec: CheckSpec) -> CheckSpec:
        counts = dict.fromkeys(COUNTS & set(spec.params), often)
        return replace(spec, params={**spec.params, **counts})

    return replace(signature, expect=tuple(map(of_trace, signature.expect)))
