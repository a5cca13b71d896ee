"""One trace, judged by the signatures of the library. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from crashloop.checks.lives import deaths
from crashloop.judge import judge
from crashloop.model import CheckSpec, Finding, Judgement, Verdict

if TYPE_CHECKING:
    from crashloop.matrix.library import Library
    from crashloop.model import Signature
    from crashloop.trace.event import Trace

COUNTS = frozenset({"times", "restarts"})
"""The parameters of checks that say how often the app dies: how long the outage is, which is
chosen."""


class Expected(StrEnum):
    """What the judge must say; `OVERLAP`: the incident declares that it may match as well."""

    REPRODUCED = "REPRODUCED"
    NOT_REPRODUCED = "NOT_REPRODUCED"
    OVERLAP = "OVERLAP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A signature against a trace; both are names.

    `decided_by` is the finding behind a verdict other than REPRODUCED, None where the run as a
    whole decided; `why` is the judge's reason. `unmet` is the requirement by which the trace is no
    fair test of the signature, though it is one of its own; "" if there is none. `by_count`: the
    signature would match if the app had died as often as it expects, and no overlap is declared.
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
    asked = known.scenarios[signature].signature
    found, unmet = judge(trace, asked), ""
    if found.verdict is Verdict.INCONCLUSIVE and signature != name:
        fair = judge(trace, replace(asked, require=own.require))
        first = _unmet(found)
        if first is not None and fair.verdict is Verdict.NOT_REPRODUCED:
            found, unmet = fair, first.check
    expected = _expected(signature, name, known)
    is_asked = expected is Expected.NOT_REPRODUCED and not unmet
    return Cell(
        signature=signature,
        trace=name,
        verdict=found.verdict,
        expected=expected,
        why=found.reason,
        decided_by=_deciding(found),
        unmet=unmet,
        by_count=is_asked and _is_by_count(trace, asked, found),
    )


def _expected(signature: str, trace: str, known: Library) -> Expected:
    if signature == trace:
        return Expected.REPRODUCED
    declared = trace in known.overlaps.get(signature, {})
    return Expected.OVERLAP if declared else Expected.NOT_REPRODUCED


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


def _is_by_count(trace: Trace, signature: Signature, found: Judgement) -> bool:
    """Whether nothing but the number of deaths keeps the signature from matching."""
    counting = {spec.check for spec in signature.expect if COUNTS & set(spec.params)}
    if found.verdict is not Verdict.NOT_REPRODUCED:
        return False
    if any(each.check not in counting for each in _refuted(found)):
        return False
    return judge(trace, _as_often(trace, signature)).verdict is Verdict.REPRODUCED


def _as_often(trace: Trace, signature: Signature) -> Signature:
    """The signature of an outage in which the app dies as often as in the trace."""
    often = min(Counter(died.replica for died in deaths(trace)).values(), default=0)

    def of_trace(spec: CheckSpec) -> CheckSpec:
        counts = dict.fromkeys(COUNTS & set(spec.params), often)
        return replace(spec, params={**spec.params, **counts})

    return replace(signature, expect=tuple(map(of_trace, signature.expect)))
