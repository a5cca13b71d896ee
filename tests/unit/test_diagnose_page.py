"""docs/diagnose.md: its table of causes, its exit statuses, and the list in the terminal."""

from __future__ import annotations

import json
import re
from pathlib import Path

from typer.testing import CliRunner

from crashloop.cli import app
from crashloop.commands.diagnose import DECIDED, UNKNOWN, every_cause
from crashloop.errors import UsageError
from crashloop.report.causes import causes_table

PAGE = Path(__file__).parents[2] / "docs" / "diagnose.md"
COMMAND = "crashloop diagnose --causes --markdown"


def test_the_pages_table_is_what_the_command_prints() -> None:
    table = causes_table(sorted(every_cause(), key=lambda one: one.id))
    _, _, found = PAGE.read_text().partition(f"<!-- The table is written by: {COMMAND} -->\n")
    assert found == table, f"replace the table of docs/diagnose.md by the output of: {COMMAND}"
    assert CliRunner().invoke(app, COMMAND.split()[1:]).output == table


def test_the_page_explains_each_key_of_the_document() -> None:
    printed = CliRunner().invoke(app, ["diagnose", "-", "--json"], input="hello\n").output
    text = PAGE.read_text()
    assert [key for key in json.loads(printed) if f"`{key}`" not in text] == []


def test_the_page_has_each_exit_status() -> None:
    rows = re.findall(r"^\| (\d+) \| .+ \|$", PAGE.read_text(), re.MULTILINE)
    assert [int(row) for row in rows] == [DECIDED, UNKNOWN, UsageError.exit_status]


def test_the_list_has_each_cause_with_its_meaning() -> None:
    words = CliRunner().invoke(app, ["diagnose", "--causes"]).output.split()
    text = " ".join(words)
    for cause in every_cause():
        assert cause.id in words
        assert " ".join(cause.meaning.split()) in text
