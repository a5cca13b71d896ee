"""One cited figure of a profile, and how it is read; a figure without a source is refused."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from crashloop.apps.table import known_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.apps.table import Table

FIELDS = ("low", "high", "unit", "source", "date", "note", "assumed")
LONGEST_S = 3600.0
_DATE = re.compile(r"\d{4}-\d{2}(-\d{2})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A range with its unit, and who says so, when. `note` says what the source does not.

    `assumed`: no source gives the figure; `source` is what the choice rests on.
    """

    low: float
    high: float
    unit: str
    source: str
    date: str
    note: str = ""
    assumed: bool = False

    @property
    def middle(self) -> float:
        """The middle of the range."""
        return (self.low + self.high) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The figures that profiles of one kind may have.

    `of` names the kind in messages, `units` has the units of each figure, `needed` are those that
    every profile has. `of_zero` says of a figure that may not be 0 what that would mean.
    """

    of: str
    units: Mapping[str, tuple[str, ...]]
    needed: tuple[str, ...]
    of_zero: Mapping[str, str]


def read_figures(top: Table, known: Known) -> dict[str, Figure]:
    """The figures of a profile; UsageError, with file and line, for one that cannot be used."""
    figures = top.table("figures")
    for figure in figures.values:
        if figure not in known.units:
            raise figures.at(figure).error(
                f"{known.of} has no figure {figure!r}", hint=known_names(figure, known.units)
            )
    for needed in known.needed:
        if needed not in figures:
            raise figures.source.error(
                f"the figure {needed} is missing", hint=f"write [figures.{needed}]"
            )
    return {one: _figure(one, figures.table(one), known) for one in figures.values}


def _figure(name: str, table: Table, known: Known) -> Figure:
    table.require_fields(FIELDS, of=f"the figure {name}")
    low, high = (_number(name, key, table) for key in ("low", "high"))
    if low > high:
        raise table.at("low").error(f"{name} has low = {low:g} above high = {high:g}")
    if high == 0 and name in known.of_zero:
        raise table.at("high").error(f"{name} is 0: {known.of_zero[name]}")
    unit = _needed_text(name, "unit", table)
    if unit not in known.units[name]:
        raise table.at("unit").error(
            f"{name} cannot be in {unit!r}", hint=known_names(unit, known.units[name])
        )
    if unit == "s" and high > LONGEST_S:
        raise table.at("high").error(f"{name} is {high:g} s", hint=f"at most {LONGEST_S:g} s")
    figure = Figure(
        low=low,
        high=high,
        unit=unit,
        source=_needed_text(name, "source", table),
        date=_date(name, table),
        note=table.text("note").strip(),
        assumed=table.flag("assumed"),
    )
    if figure.assumed and not figure.note:
        raise table.at("assumed").error(
            f"{name} is assumed, and no note says why", hint="say in `note` what it rests on"
        )
    return figure


def _number(name: str, key: str, table: Table) -> float:
    value = table.values.get(key)
    if value is None:
        raise table.source.error(f"{name} has no {key}", hint="give low and high")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise table.at(key).error(f"`{key}` of {name} must be a number, not {value!r}")
    if value < 0:
        raise table.at(key).error(f"`{key}` of {name} is negative: {value:g}")
    return float(value)


def _needed_text(name: str, key: str, table: Table) -> str:
    text = table.text(key).strip()
    if not text:
        raise table.at(key).error(f"{name} has no {key}", hint=_WHY[key])
    return text


_WHY = {
    "unit": "say what it is counted in",
    "source": "say who says so: a figure without a source is a guess",
    "date": "say when the source said so: date = 2025-09-15",
}


def _date(name: str, table: Table) -> str:
    """The day or the month of the source, as TOML's own date or as text."""
    value = table.values.get("date")
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    text = _needed_text(name, "date", table)
    try:
        if _DATE.fullmatch(text):
            date.fromisoformat(text if text.count("-") > 1 else f"{text}-01")
            return text
    except ValueError:
        pass
    raise table.at("date").error(
        f"`date` of {name} is no date: {text!r}", hint="write a day or a month: 2025-09-15, 2025-09"
    )
