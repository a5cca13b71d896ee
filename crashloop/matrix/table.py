"""The matrix on a terminal: a row for each signature, and every cell that needs a word. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from crashloop.durations import about, together_s
from crashloop.matrix.result import FALSE_MATCH_STATUS, MISSING_TRACE_STATUS, What
from crashloop.model import Verdict
from crashloop.plural import counted
from crashloop.report.clean import clean
from crashloop.report.lines import BLANK, Line, Span, Tone, line, paragraph
from crashloop.survey.table import INDENT, NAME

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from crashloop.matrix.cell import Cell
    from crashloop.matrix.result import Found
    from crashloop.survey.plan import Planned

MAX_WHY = 500
MAX_UNUSABLE = 20
WIDE, OWN, REJECTED = 38, 15, 10
_SAID = {
    0: (" AS EXPECTED ", Tone.REPRODUCED, "each signature matches its own trace, and no other"),
    FALSE_MATCH_STATUS: (
        " NOT AS EXPECTED ",
        Tone.HARNESS_ERROR,
        "a signature matches another trace, or not its own",
    ),
    MISSING_TRACE_STATUS: (" INCOMPLETE ", Tone.INCONCLUSIVE, "there is not a trace of everything"),
}
_TONES = {Verdict.NOT_REPRODUCED: Tone.GOOD, Verdict.INCONCLUSIVE: Tone.DOUBT}


def matrix_page(found: Found, *, folder: str, width: int) -> Iterator[Line]:
    """The whole result; `folder` has the evidence, "" where nothing was made."""
    yield from rows(found, width=width)
    yield from _missing(found, width=width)
    yield BLANK
    badge, tone, says = _SAID[found.exit_status]
    yield line(Span(badge, tone), f"  {says}")
    yield from paragraph(totals(found), width=width)
    if folder:
        yield line(Span("  evidence  ", Tone.HEAD), clean(folder, 2000))


def rows(found: Found, *, width: int) -> Iterator[Line]:
    """The table, and each cell that needs a word."""
    if found.library.about:
        for name in sorted(found.library.about):
            yield from _all_about(name, found.cells, width=width)
    else:
        yield from _signatures(found.cells)
    parts = [
        ("overlaps that incidents declare", [(c, overlap_words(found, c)) for c in found.overlaps]),
        ("false matches", [(cell, cell.why) for cell in found.false_matches]),
        ("rejected by the number of deaths alone", [(cell, cell.why) for cell in found.by_count]),
        ("inconclusive", [(cell, cell.why) for cell in found.inconclusive]),
    ]
    for head, cells in parts:
        said = [f"{cell.signature} against {cell.trace}: {why}" for cell, why in cells]
        yield from _notes(head, said, width=width)


def totals(found: Found) -> str:
    """`20 signatures against 62 traces; 20 of 20 match their own; ...`."""
    cells, others = found.cells, found.others
    own = [cell for cell in cells if cell.is_own]
    signatures = len({cell.signature for cell in cells})
    parts = [
        f"{counted(signatures, 'signature')} against {counted(len(found.columns), 'trace')}",
        f"{sum(not cell.is_missing for cell in own)} of {len(own)} match their own",
    ]
    if (share := found.rejected_share) is not None:
        rejected = [cell for cell in others if cell.verdict is Verdict.NOT_REPRODUCED]
        says = f"{len(rejected)} of {counted(len(others), 'other cell')} rejected"
        apart = sum(bool(cell.unmet) for cell in rejected)
        alone = f", {apart} by expectations alone" if apart else ""
        parts.append(f"{says} ({_percent(share)}{alone})")
    false = len(found.false_matches)
    parts.append("1 false match" if false == 1 else f"{false or 'no'} false matches")
    return "; ".join(parts)


def overlap_words(found: Found, cell: Cell) -> str:
    """The reason of a declared overlap, and whether it is there."""
    seen = "" if cell.verdict is Verdict.REPRODUCED else f"{cell.verdict} here; "
    return f"{seen}{found.library.overlap(cell.signature, cell.trace)}"


def unusable_words(found: Found) -> list[str]:
    """What is wrong with each trace that cannot be used, of some."""
    said = [*found.unusable.values()]
    more = len(said) - MAX_UNUSABLE
    return [*said[:MAX_UNUSABLE], *([f"and {more} more"] if more > 0 else [])]


def plan_page(
    runs: Sequence[Planned], stored: Collection[str], *, at_once: int, width: int
) -> Iterator[Line]:
    """What would run and for how long; `stored` are names of which there are traces."""
    make = [run for run in runs if run.incident not in stored and not run.why]
    for run in make:
        yield line(f"  {clean(run.name, 60):{NAME}} ", Span(about(run.expected_s), Tone.DIM))
    kept = [run.name for run in runs if run.incident in stored]
    yield from _notes("stored", kept, width=width)
    beyond = [run for run in runs if run.why and run.incident not in stored]
    cannot = [f"{run.name}: {run.why}" for run in beyond]
    yield from _notes("cannot run here", cannot, width=width)
    total_s = together_s([run.expected_s for run in make], at_once) if make else 0.0
    yield BLANK
    yield line(
        f"{counted(len(make), 'run')}, {at_once} at once, {about(total_s)}; nothing was started"
    )


def _percent(share: float) -> str:
    """Never 100 % of less than all."""
    return f"{int(share * 1000) / 10:g} %"


def _signatures(cells: Sequence[Cell]) -> Iterator[Line]:
    """A row for each signature."""
    if not cells:
        return
    head = f"{'signature':{WIDE}} {'own trace':{OWN}} {'rejects':{REJECTED}} inconclusive"
    yield line(Span(head, Tone.HEAD))
    for name in dict.fromkeys(cell.signature for cell in cells):
        mine = [cell for cell in cells if cell.signature == name]
        own = next((cell.verdict for cell in mine if cell.is_own), None)
        verdicts = Counter(cell.verdict for cell in mine if not cell.is_own)
        rejected = f"{verdicts[Verdict.NOT_REPRODUCED]} of {verdicts.total()}"
        tone = Tone.GOOD if own is Verdict.REPRODUCED else Tone.BAD
        yield line(
            f"{clean(name, 60):{WIDE}} ",
            Span(f"{own or 'no trace':{OWN}} ", tone),
            f"{rejected:{REJECTED}} {verdicts[Verdict.INCONCLUSIVE] or ''}",
        )


def _all_about(name: str, cells: Sequence[Cell], *, width: int) -> Iterator[Line]:
    """Each cell of an incident's signature, and of its trace, with what decides it."""
    own = [cell for cell in cells if cell.signature == name]
    others = [cell for cell in cells if cell.trace == name and not cell.is_own]
    yield line(Span(f"the signature of {name} against the trace of", Tone.HEAD))
    for cell in own:
        yield from _cell(cell, cell.trace, width=width)
    yield line(Span(f"the trace of {name} against the signature of", Tone.HEAD))
    for cell in others:
        yield from _cell(cell, cell.signature, width=width)


def _cell(cell: Cell, other: str, *, width: int) -> Iterator[Line]:
    yield line(f"  {clean(other, 60):{WIDE}} ", Span(str(cell.verdict), _tone(cell)))
    if cell.verdict is not Verdict.REPRODUCED:
        why = clean(cell.why, MAX_WHY)
        yield from paragraph(why, width=width, indent=INDENT, tone=Tone.DIM)


def _missing(found: Found, *, width: int) -> Iterator[Line]:
    """The traces that are missing, or that their own signatures do not match."""
    for head, what in (("own trace not matched", What.DIAGONAL), ("no trace", What.TRACE)):
        missing = [each for each in found.missing if each.what is what]
        yield from _notes(head, [f"{each.name}: {each.why}" for each in missing], width=width)
    yield from _notes("traces that cannot be used", unusable_words(found), width=width)


def _tone(cell: Cell) -> Tone:
    if cell.is_own:
        return Tone.BAD if cell.is_missing else Tone.GOOD
    return _TONES.get(cell.verdict, Tone.BAD if cell.is_false_match else Tone.DOUBT)


def _notes(head: str, found: Sequence[str], *, width: int) -> Iterator[Line]:
    if not found:
        return
    yield BLANK
    yield line(Span(head, Tone.HEAD))
    for text in found:
        yield from paragraph(clean(text, MAX_WHY), width=width, hanging=INDENT)
