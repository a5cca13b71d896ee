"""docs/incidents.md: what its tables name, and that they name every incident."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from crashloop.checks import CHECKS
from crashloop.incidents import INCIDENTS

PAGE = Path(__file__).parents[2] / "docs" / "incidents.md"
ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)
LINK = re.compile(r"\[(.+?)\]\(.+?\)")


def rows(head: str) -> list[list[str]]:
    """The cells of each row of the tables whose first column has this head."""
    tables = PAGE.read_text().split("\n\n")
    ours = [text for text in tables if text.startswith(f"| {head} |")]
    assert ours, f"no table begins with the column {head}"
    return [re.split(r" *\| *", one) for text in ours for one in ROW.findall(text)[1:]]


def test_each_incident_has_one_row() -> None:
    named = [LINK.sub(r"\1", first) for first, *_ in rows("incident")]
    assert sorted(named) == sorted(INCIDENTS)


def test_each_check_is_known_and_takes_the_parameters_that_are_said() -> None:
    for cell, params, *_ in rows("check"):
        name = cell.strip("`")
        takes = set(inspect.signature(CHECKS[name]).parameters)
        said = {each for each in params.strip().split(", ") if each}
        assert said <= takes, name
