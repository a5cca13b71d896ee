"""What the matrix has found, and what is missing in it. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from crashloop.matrix.cell import Cell, Column, Expected
from crashloop.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.matrix.library import Library

FALSE_MATCH_STATUS = 10
"""Also where a signature does not match its own trace."""
MISSING_TRACE_STATUS = 11


class What(StrEnum):
    """What can be missing: a match of a signature with its own trace, or a trace."""

    DIAGONAL = "diagonal"
    TRACE = "trace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Something that should be there: the trace's name, and why it is not."""

    what: What
    name: str
    why: str

    def to_json(self) -> dict[str, str]:
        """A JSON object."""
        return {"what": str(self.what), "name": self.name, "why": self.why}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The columns in the order of the library's traces.

    `absent` has the traces that there are none of, each with the reason, and `again` those that
    were made twice, as the first did not show what it was made for. `unusable` has what is called
    as a trace and is torn, or none that can be read: what is wrong with it, by its path.
    """

    library: Library
    columns: tuple[Column, ...]
    absent: Mapping[str, str] = field(default_factory=dict)
    again: tuple[str, ...] = ()
    unusable: Mapping[str, str] = field(default_factory=dict)
    wall_s: float = 0.0

    @property
    def cells(self) -> list[Cell]:
        """All cells, signature by signature."""
        order = {name: n for n, name in enumerate(self.library.signatures)}
        cells = [cell for column in self.columns for cell in column.cells]
        return sorted(cells, key=lambda cell: order[cell.signature])

    @property
    def false_matches(self) -> list[Cell]:
        """The cells in which a signature takes another's trace for its own."""
        return [cell for cell in self.cells if cell.is_false_match]

    @property
    def overlaps(self) -> list[Cell]:
        """The cells that incidents declare to be overlaps."""
        return [cell for cell in self.cells if cell.expected is Expected.OVERLAP]

    @property
    def inconclusive(self) -> list[Cell]:
        """The cells off the diagonal of which nothing can be said."""
        return [c for c in self.cells if not c.is_own and c.verdict is Verdict.INCONCLUSIVE]

    @property
    def by_count(self) -> list[Cell]:
        """The cells that nothing but the number of deaths rejects."""
        return [cell for cell in self.cells if cell.by_count]

    @property
    def missing(self) -> list[Missing]:
        """The traces that are missing, and the matches of signatures with their own traces."""
        columns = {column.trace: column for column in self.columns}
        found = []
        for name in self.library.traces:
            column = columns.get(name)
            if column is None:
                why = self.absent.get(name, "it was not made")
                found.append(Missing(what=What.TRACE, name=name, why=why))
            elif not column.is_shown:
                what = What.DIAGONAL if self.library.has_diagonal(name) else What.TRACE
                why = f"{column.own.verdict} by its own signature: {column.own.reason}"
                found.append(Missing(what=what, name=name, why=why))
        return found

    @property
    def others(self) -> list[Cell]:
        """The cells off the diagonal, less the overlaps that are declared and there."""
        return [
            cell
            for cell in self.cells
            if not cell.is_own and (cell.verdict is not Verdict.REPRODUCED or cell.is_false_match)
        ]

    @property
    def rejected_share(self) -> float | None:
        """Which part of `others` is NOT_REPRODUCED; None where there are none."""
        verdicts = Counter(cell.verdict for cell in self.others)
        return verdicts[Verdict.NOT_REPRODUCED] / verdicts.total() if verdicts else None

    @property
    def exit_status(self) -> int:
        """10 for a false match, or a signature that its own trace does not match; 11 for no trace.

        0 if all is as it must be.
        """
        kinds = {each.what for each in self.missing}
        if self.false_matches or What.DIAGONAL in kinds:
            return FALSE_MATCH_STATUS
        return MISSING_TRACE_STATUS if kinds else 0

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        share = self.rejected_share
        return {
            "cells": [cell.to_json() for cell in self.cells],
            "false_matches": [cell.to_json() for cell in self.false_matches],
            "missing": [each.to_json() for each in self.missing],
            "rejected_share": None if share is None else round(share, 4),
            "traces": {column.trace: column.path for column in self.columns},
            "made_again": list(self.again),
            "unusable": [{"path": path, "why": why} for path, why in self.unusable.items()],
            "wall_s": round(self.wall_s, 1),
            "exit_status": self.exit_status,
        }
