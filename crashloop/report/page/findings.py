"""The findings of a judgement, each with the events that it rests on. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.report.page.inert import inert
from crashloop.report.summary import MAX_FINDINGS, MAX_SAYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crashloop.model import Judgement
    from crashloop.report.page.rows import Row

MAX_CITED = 20
GROUPS = {"require": "Was it a fair test?", "expect": "Does it look like the incident?"}
_WORDS = {True: ("holds", "good"), False: ("refuted", "bad"), None: ("saw nothing", "doubt")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One finding. `missing` are cited events that the trace lacks.

    `more` counts the cited events that are not among `rows`, as there are too many.
    """

    word: str
    tone: str
    says: str
    check: str
    rows: tuple[Row, ...]
    missing: tuple[int, ...]
    more: int


def cited_by(judgement: Judgement) -> set[int]:
    """The `seq` of every event that a finding rests on."""
    return {seq for finding in judgement.findings for seq in finding.evidence[:MAX_CITED]}


def findings_of(
    judgement: Judgement, rows: Mapping[int, Row]
) -> Sequence[tuple[str, Sequence[Shown]]]:
    """The findings under each heading; `rows` has the events by `seq`."""
    groups = []
    for role, heading in GROUPS.items():
        found = [each for each in judgement.findings if each.role == role][:MAX_FINDINGS]
        shown = []
        for each in found:
            word, tone = _WORDS[each.holds]
            seqs = each.evidence[:MAX_CITED]
            shown.append(
                Shown(
                    word=word,
                    tone=tone,
                    says=inert(each.says, MAX_SAYS),
                    check=inert(each.check, 60),
                    rows=tuple(rows[seq] for seq in seqs if seq in rows),
                    missing=tuple(seq for seq in seqs if seq not in rows),
                    more=len(each.evidence) - len(seqs),
                )
            )
        if shown:
            groups.append((heading, shown))
    return groups
