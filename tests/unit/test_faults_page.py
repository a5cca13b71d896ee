"""docs/faults.md, which `crashloop faults --markdown` writes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from crashloop.commands.faults_page import COMMAND, page, show_page
from crashloop.errors import UsageError
from crashloop.faults import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


@pytest.mark.skipif(sys.platform != "linux", reason="the page is about the faults on Linux")
def test_the_page_is_what_the_command_prints() -> None:
    assert PAGE.read_text() == page(), f"docs/faults.md is out of date; write it again: {COMMAND}"


def test_every_fault_has_its_section() -> None:
    heads = {line for line in PAGE.read_text().splitlines() if line.startswith("## ")}
    assert {f"## {name}" for name in KINDS} <= heads


@pytest.mark.parametrize(("name", "as_json"), [("hold", False), (None, True)])
def test_the_page_is_about_all_faults(name: str | None, as_json: bool) -> None:
    with pytest.raises(UsageError, match="one page about all faults"):
        show_page(name, as_json=as_json)
