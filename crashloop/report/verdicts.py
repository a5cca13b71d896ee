"""Lines that compare judgements: the four runs of a proof, a trace judged again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.report.clean import clean
from crashloop.report.glyphs import UNICODE, Glyphs
from crashloop.report.lines import BLANK, Line, Span, Tone, line, paragraph
from crashloop.report.summary import ROLE_ENDS, TONES, Where, where_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.model import Verdict
    from crashloop.report.compare import Comparison

_ROLE, _VERDICT = 15, 17


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRow:
    """One run of a proof: how it ended and how it had to; `shortfall` is empty if it is ok."""

    role: str
    verdict: Verdict
    expected: Verdict
    shortfall: str


def proof_lines(
    incident: str,
    rows: Sequence[ProofRow],
    *,
    proven: bool,
    where: Where,
    remedied: str = "",
    width: int,
    glyphs: Glyphs = UNICODE,
) -> Iterator[Line]:
    """The table of a proof, and whether the incident counts as reproduced.

    `remedied` says what the remedy does for the user's own app.
    """
    head = f"{'run':{_ROLE}}{'verdict':{_VERDICT}}{'must be':{_VERDICT}}"
    yield line(Span(head, Tone.HEAD))
    for row in rows:
        ok = not row.shortfall
        mark = f"{glyphs.holds if ok else glyphs.refuted} {'ok' if ok else 'falls short'}"
        yield line(
            f"{row.role:{_ROLE}}",
            f"{row.verdict:{_VERDICT}}",
            Span(f"{row.expected:{_VERDICT}}", Tone.DIM),
            Span(mark, Tone.GOOD if ok else Tone.BAD),
        )
        why = ROLE_ENDS[row.role][1] if ok else clean(row.shortfall, 500)
        yield from paragraph(
            why, width=width, indent=" " * _ROLE, tone=Tone.DIM if ok else Tone.BAD
        )
    for role in _missing(rows):
        yield line(f"{role:{_ROLE}}", Span("not run, because an earlier run was no test", Tone.BAD))
    yield BLANK
    yield from proven_lines(incident, rows, proven=proven, remedied=remedied, width=width)
    yield BLANK
    yield from where_lines(where, width=width)


def proven_lines(
    incident: str, rows: Sequence[ProofRow], *, proven: bool, remedied: str = "", width: int
) -> Iterator[Line]:
    """Whether the incident counts as reproduced, and what its remedy does."""
    if proven:
        says = f"{clean(incident, 60)} counts as reproduced: all four runs ended as they must"
        yield line(Span(" PROVEN ", Tone.REPRODUCED), f"  {says}")
        yield from paragraph(clean(remedied, 500), width=width)
    else:
        short = len(_missing(rows)) + sum(bool(row.shortfall) for row in rows)
        says = f"{short} of {len(ROLE_ENDS)} runs did not end as they must"
        yield line(Span(" NOT PROVEN ", Tone.HARNESS_ERROR), f"  {says}")


def _missing(rows: Sequence[ProofRow]) -> list[str]:
    """The roles that were not run."""
    return [role for role in ROLE_ENDS if role not in {row.role for row in rows}]


def compared_lines(compared: Comparison, *, width: int) -> Iterator[Line]:
    """How a trace is judged by its own signature and by today's, and where they differ."""
    yield line(Span("Judged by today's signature", Tone.HEAD))
    for side, judgement in (("recorded", compared.recorded), ("today", compared.today)):
        if judgement is not None:
            yield line(
                f"  {side:10}",
                Span(f" {judgement.verdict} ", TONES[judgement.verdict]),
                Span(f"  signature {judgement.digest[:12]}", Tone.DIM),
            )
    if compared.recorded is None:
        yield from paragraph(
            f"its own signature cannot be used: {compared.unreadable}", width=width
        )
    elif not compared.differences:
        yield line("  the two signatures and what they find are the same")
    for one in compared.differences:
        yield line(Span(f"  {one.what}", Tone.DOUBT))
        for side, text in (("recorded", one.recorded), ("today", one.today)):
            yield from paragraph(f"{side:9} {text}", width=width, indent="    ", hanging=" " * 14)
