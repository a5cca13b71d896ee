"""Each recorded and each made log shows the cause that its file's name begins with.

A name that begins with `unknown.` is of a log that decides nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from crashloop.commands.diagnose import diagnosis_of, every_cause
from crashloop.incidents import library

LOGS = Path(__file__).parents[2] / "fixtures" / "logs"
FILES = sorted([*(LOGS / "recorded" / "causes").iterdir(), *(LOGS / "made").glob("*.log")])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_log_shows_the_cause_of_its_name(file: Path) -> None:
    found = diagnosis_of([str(file)], None)
    named = "unknown" if found.unknown else found.causes[0].cause.id
    assert named == file.name.split(".", 1)[0], [each.cause.id for each in found.causes]


def test_each_log_is_of_a_cause_that_exists() -> None:
    known = {cause.id for cause in every_cause()} | {"unknown"}
    assert {file.name.split(".", 1)[0] for file in FILES} <= known


def test_no_two_causes_have_one_id() -> None:
    ids = [cause.id for cause in every_cause()]
    assert len(ids) == len(set(ids))


def test_a_cause_explains_only_causes_that_exist() -> None:
    known = {cause.id for cause in every_cause()} | set(library().incidents)
    assert {part for one in every_cause() for part in one.in_logs.explains} <= known


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("two-causes-at-once", "are each shown by lines of their own"),
        ("password-refused-without-the-servers-log", "whether the server has no such role"),
        ("ready-and-ended-later", "no failed start is in these logs"),
        ("exit-code-alone", "the log of the app from its start to its end"),
    ],
)
def test_an_unknown_answer_says_what_would_decide(name: str, words: str) -> None:
    found = diagnosis_of([str(LOGS / "made" / f"unknown.{name}.log")], None)
    assert words in "\n".join(found.decides)
