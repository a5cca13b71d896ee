"""The list of differences is complete, shown by tests, and printed as the page says."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from tests.contract.differences import COMMAND, DIFFERENCES, PAGE, page

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
MARK = re.compile(r'^@pytest\.mark\.difference\("([^"]+)"\)$', re.MULTILINE)


def test_the_page_is_fresh() -> None:
    assert (ROOT / PAGE).read_text() == page(), f"regenerate it: {COMMAND}"


def test_every_difference_has_an_id_of_its_own() -> None:
    assert Counter(one.id for one in DIFFERENCES).most_common(1)[0][1] == 1


def test_every_difference_is_shown_by_a_test_and_no_test_shows_another() -> None:
    sources = [path.read_text() for path in sorted(FOLDER.glob("test_differences_in_*.py"))]
    shown = {found for source in sources for found in MARK.findall(source)}
    assert shown == {one.id for one in DIFFERENCES}


def test_no_cell_of_the_page_breaks_its_table() -> None:
    for one in DIFFERENCES:
        for cell in (one.id, one.toxiproxy, one.ours, one.why):
            assert not set(cell) & set("|\n"), one.id
