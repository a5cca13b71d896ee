"""`crashloop check` on the sample app with and without each remedy: the table of docs/check.md."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cli_runs import begun

from crashloop.apps import sample_app
from crashloop.incidents import INCIDENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE = Path(__file__).parents[2] / "docs" / "check.md"
HEAD = "| incident |"
NONE, SAME, NOT_TRIED = "none", "same", ""
DEADLINE_S = 900.0


def table() -> dict[str, dict[str, str]]:
    """What the page says of each incident that was tried, by remedy."""
    lines = iter(PAGE.read_text(encoding="utf-8").splitlines())
    remedies = cells(next(line for line in lines if line.startswith(HEAD)))[1:]
    next(lines)
    found: dict[str, dict[str, str]] = {remedy: {} for remedy in remedies}
    for line in iter(lambda: next(lines), ""):
        incident, *row = cells(line)
        for remedy, says in zip(remedies, row, strict=True):
            if says != NOT_TRIED:
                found[remedy][incident] = row[0] if says == SAME else says
    return found


def cells(line: str) -> list[str]:
    return [cell.strip(" `") for cell in line.removeprefix("|").removesuffix("|").split("|")]


def in_words(result: Mapping[str, Any]) -> str:
    """A result as the page has it: how the lives ended, without how often, or that none did."""
    if result["outcome"] == "SURVIVED":
        return "survives"
    back = "" if result["outcome"] == "RECOVERED" else f", {result['outcome']}"
    if not result["deaths"]:
        return f"no death{back}"
    most = Counter(result["exit_codes"]).most_common(1)[0][0]
    return f"exit {most}{back}"


TABLE = table()
UNCHANGED = 2  # chosen: so many cells of a remedy that it must not change; each costs a run


def tried(remedy: str) -> list[str]:
    """The incidents that the remedy changes, and some that it does not; all of them without one."""
    row = TABLE[remedy]
    same = [name for name, says in row.items() if says == TABLE[NONE][name]]
    return [*row] if remedy == NONE else [n for n in row if n not in same[UNCHANGED:]]


def test_the_page_has_every_remedy_of_the_sample_app_and_known_incidents() -> None:
    assert set(TABLE) == {NONE, *sample_app().remedies}
    assert set(TABLE[NONE]) <= set(INCIDENTS)
    assert all(set(row) <= set(TABLE[NONE]) for row in TABLE.values())


@pytest.mark.slow
@pytest.mark.timeout(DEADLINE_S + 60)
@pytest.mark.parametrize("remedy", TABLE)
def test_the_table_changes_where_the_page_says_and_only_there(remedy: str, tmp_path: Path) -> None:
    words = ["check", "sample", "--json", "--artifacts", "kept"]
    words += [] if remedy == NONE else ["--remedy", remedy]
    for name in tried(remedy):
        words += ["--incident", name]
    check = begun(*words, folder=tmp_path)
    try:
        out, err = check.communicate(timeout=DEADLINE_S)
    finally:
        check.kill()
    found = {each["incident"]: in_words(each) for each in json.loads(out)["results"]}
    assert found == {name: TABLE[remedy][name] for name in tried(remedy)}, err
