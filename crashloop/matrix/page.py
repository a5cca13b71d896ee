"""The page docs/matrix.md, written by `crashloop matrix --markdown`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.matrix.table import overlap_words, totals, unusable_words
from crashloop.model import Verdict
from crashloop.report.markdown import markdown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.matrix.cell import Cell
    from crashloop.matrix.result import Found

COMMAND = "crashloop matrix --markdown > docs/matrix.md"
OWN, REJECTED, OPEN, OVERLAP, WRONG, NONE = "**=**", "·", "?", "o", "**X**", ""

_HEAD = f"""\
<!-- Do not edit this page. It is written by: {COMMAND} -->
# The matrix of signatures

A signature is worth something only if it rejects its neighbours. `crashloop matrix` judges the
trace of each [incident](incidents.md) and of each [fault alone](faults.md) by the signature of
each incident. On the diagonal the verdict must be REPRODUCED. Everywhere else it must not, unless
one of the two incidents declares the overlap with its reason. Nothing but REPRODUCED is a match.

```
crashloop matrix                                     # make all traces, and judge them
crashloop matrix --artifacts kept                    # the same; the traces stay in kept
crashloop matrix --artifacts kept --resume           # make only what is missing in kept
crashloop matrix --traces kept                       # make nothing
crashloop matrix issue-1278 --artifacts kept --resume    # all about one incident
crashloop matrix issue-1278 --against fault:hold     # against this trace, and its own
```

A trace is judged by today's signatures, so a signature that was changed needs no new run. A stored
trace counts as long as its incident would be run in the same way today: the same parameters,
dependencies, platform, replicas, faults and knobs of the sample app. `--traces` also takes the
evidence of `crashloop reproduce` and `crashloop prove`. A trace must show what it was made for, by
its own signature; a run that does not is made once more, alone, and then called missing. A trace
that is torn, cannot be read, or is of a run that broke counts as no trace.

So each trace is a fair test of something. Where a signature asks for a path that the trace's app
never used, its own requirements are not met, and the judge would call that INCONCLUSIVE. There its
expectations alone are asked: they can reject the trace, but not match it. Such cells name the
requirement in `unmet`.

How often the app dies is how long an outage was made to last, which is chosen and tells nothing
apart. So a trace is judged as if the app had died in it as often as the signature asks for, and a
cell names what else rejects it. Where nothing else does, the trace is listed, and has `by_count`. A
declared overlap must match then, or the declaration is not true.

`--json` prints `cells` (signature, trace, verdict, expected, decided_by, why, unmet, by_count),
`false_matches`, `missing`, `unusable`, `made_again`, `rejected_share`, `traces`, `artifacts`,
`exit_status` and `wall_s`. Exit status: 0 all is as it must be, 10 a false match, or a signature
that does not match its own trace, 11 a missing trace, 2 wrong usage, or an incident from elsewhere
that cannot be used. `--incidents DIR` takes the incidents of a folder in as well.
"""

_LEGEND = f"""\
Each row is a run: the trace of an incident, or of a fault alone. Each column is the signature of
the incident in the row of that number. So a row shows which signatures take its run for theirs.
`=`: it is their own. `{REJECTED}`: they reject it, as they must. `{OVERLAP}`: they match it, and
an incident declares why. `{OPEN}`: nothing can be said. `X` must not be: they match the run of
another, or not their own."""


def page(found: Found) -> str:
    """The page, as Markdown."""
    return "\n".join(_lines(found))


def summary_text(found: Found) -> str:
    """The totals and the table in Markdown, for the summary of a GitHub job."""
    head = ("### crashloop matrix", "", f"{totals(found)}.", "")
    return "\n".join([*head, *_table(found), *_notes(found)]) + "\n"


def _lines(found: Found) -> Iterator[str]:
    yield _HEAD
    yield "## The table"
    yield ""
    yield f"{totals(found)}."
    yield ""
    yield from _table(found)
    yield from _notes(found)
    yield "## What rejects"
    yield ""
    yield "For each signature the traces that it rejects, by the check that refutes them."
    yield ""
    for number, name in enumerate(found.library.signatures, start=1):
        yield from _signature(f"{number}. {name}", [c for c in found.cells if c.signature == name])


def _table(found: Found) -> Iterator[str]:
    """A row for each trace, a column for each signature, which has the number of its own row."""
    names = found.library.signatures
    marks = {(cell.trace, cell.signature): _mark(cell) for cell in found.cells}
    yield _LEGEND
    yield ""
    yield f"| | trace of | {' | '.join(str(n) for n in range(1, len(names) + 1))} |"
    yield f"|---|---|{'---|' * len(names)}"
    order = {name: str(n) for n, name in enumerate(names, start=1)}
    for trace in found.library.traces:
        row = [marks.get((trace, name), NONE) for name in names]
        yield f"| {order.get(trace, '')} | `{trace}` | {' | '.join(row)} |"
    yield ""


def _mark(cell: Cell) -> str:
    is_match = cell.verdict is Verdict.REPRODUCED
    if cell.is_own:
        return OWN if is_match else WRONG
    if is_match:
        return WRONG if cell.is_false_match else OVERLAP
    return REJECTED if cell.verdict is Verdict.NOT_REPRODUCED else OPEN


def _notes(found: Found) -> Iterator[str]:
    """Overlaps with their reasons, and all that is not as it should be."""
    overlaps = [(cell, overlap_words(found, cell)) for cell in found.overlaps]
    yield from _rows("Declared overlaps", overlaps)
    yield from _rows("False matches", [(cell, cell.why) for cell in found.false_matches])
    by_count = [(cell, cell.why) for cell in found.by_count]
    yield from _rows("Rejected by the number of deaths alone", by_count)
    yield from _rows("Inconclusive", [(cell, cell.why) for cell in found.inconclusive])
    if found.missing:
        yield "### Missing"
        yield ""
        yield "| trace | why |"
        yield "|---|---|"
        for each in found.missing:
            yield f"| `{each.name}` | {markdown(each.why)} |"
        yield ""
    if said := unusable_words(found):
        yield "### Traces that cannot be used"
        yield ""
        yield from (f"- {markdown(each)}" for each in said)
        yield ""


def _rows(head: str, found: Sequence[tuple[Cell, str]]) -> Iterator[str]:
    if not found:
        return
    yield f"### {head}"
    yield ""
    yield "| signature | trace | why |"
    yield "|---|---|---|"
    for cell, why in found:
        yield f"| `{cell.signature}` | `{cell.trace}` | {markdown(why)} |"
    yield ""


def _signature(head: str, cells: Sequence[Cell]) -> Iterator[str]:
    """The traces that a signature rejects, by the check that refutes them."""
    by_check: dict[str, list[str]] = {}
    for cell in cells:
        if cell.verdict is Verdict.NOT_REPRODUCED and cell.decided_by is not None:
            by_check.setdefault(cell.decided_by.check, []).append(f"`{cell.trace}`")
    if not by_check:
        return
    yield f"### {head}"
    yield ""
    yield "| refuted by | traces |"
    yield "|---|---|"
    for check, traces in by_check.items():
        yield f"| `{check}` | {', '.join(traces)} |"
    yield ""
