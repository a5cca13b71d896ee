"""Reads connector profiles from TOML files, and refuses a figure that nobody vouches for."""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.apps.file import read_toml
from crashloop.apps.table import Table, known_names
from crashloop.errors import UsageError
from crashloop.profiles.profile import (
    CONNECTION,
    EACH_OTHER,
    SETTLED,
    THROUGHPUT,
    Figure,
    Profile,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent
SUFFIX = ".toml"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}")))
"""The profiles that come with crashloop."""

_SECONDS = ("s",)
UNITS: Mapping[str, tuple[str, ...]] = {
    CONNECTION: _SECONDS,
    SETTLED: _SECONDS,
    EACH_OTHER: _SECONDS,
    THROUGHPUT: ("Mbps", "Gbps"),
}
"""The figures of a profile, and the units of each."""

NEEDED = (CONNECTION, SETTLED)
FIELDS = ("title", "each_instance", "figures")
FIGURE_FIELDS = ("low", "high", "unit", "source", "date", "note", "assumed")
LONGEST_S = 3600.0
_DATE = re.compile(r"\d{4}-\d{2}(-\d{2})?")


def load(name_or_path: str) -> Profile:
    """The profile of this name, or of a file whose path ends in .toml.

    UsageError, with file and line where there is one, for what is not a profile.
    """
    if not name_or_path.endswith(SUFFIX):
        if name_or_path not in NAMES:
            raise UsageError(
                f"there is no connector profile {name_or_path!r}",
                hint=f"{known_names(name_or_path, NAMES)}; or give a file: connector=FILE.toml",
            )
        return _profile(name_or_path, FOLDER / f"{name_or_path}{SUFFIX}")
    return _profile(name_or_path, Path(name_or_path))


def _profile(name: str, path: Path) -> Profile:
    source, values = read_toml(path)
    top = Table(values=values, source=source)
    top.require_fields(FIELDS, of="a connector profile")
    figures = top.table("figures")
    for figure in figures.values:
        if figure not in UNITS:
            raise figures.at(figure).error(
                f"a connector profile has no figure {figure!r}", hint=known_names(figure, UNITS)
            )
    for needed in NEEDED:
        if needed not in figures:
            raise figures.source.error(
                f"the figure {needed} is missing", hint=f"write [figures.{needed}]"
            )
    return Profile(
        name=name,
        title=top.text("title") or path.stem,
        each_instance=top.flag("each_instance"),
        figures={one: _figure(one, figures.table(one)) for one in figures.values},
    )


def _figure(name: str, table: Table) -> Figure:
    table.require_fields(FIGURE_FIELDS, of=f"the figure {name}")
    low, high = (_number(name, key, table) for key in ("low", "high"))
    if low > high:
        raise table.at("low").error(f"{name} has low = {low:g} above high = {high:g}")
    if high == 0 and name != EACH_OTHER:
        raise table.at("high").error(f"{name} is 0: nothing would be slow")
    unit = _needed_text(name, "unit", table)
    if unit not in UNITS[name]:
        known = known_names(unit, UNITS[name])
        raise table.at("unit").error(f"{name} cannot be in {unit!r}", hint=known)
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
