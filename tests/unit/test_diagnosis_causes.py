"""Each recorded and each made log shows the cause that its file's name begins with.

A name that begins with `unknown.` is of a log that decides nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from crashloop.commands.diagnose import diagnosis_of, every_cause
from crashloop.diagnosis.diagnosis import Confidence, Diagnosis
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


def made(name: str) -> Diagnosis:
    return diagnosis_of([str(LOGS / "made" / name)], None)


def test_restarts_make_no_cause_surer() -> None:
    (cause,) = made("oom-killed-while-starting.kubectl.log").causes
    assert "the app was started again and again" in [seen.sign.says for seen in cause.pointed]
    assert cause.confidence is Confidence.MEDIUM


def test_a_sign_that_is_seen_in_more_than_one_life_makes_its_cause_surer() -> None:
    (cause,) = made("certificate-does-not-fit.not-yet-valid.log").causes
    assert cause.confidence is Confidence.HIGH


@pytest.mark.parametrize(
    ("log", "ruled_out"),
    [
        (
            "oom-killed-while-starting",
            {
                "liveness-kills-the-migration": "it was out of memory",
                "out-of-memory": "it was killed before it was ready",
                "retry-longer-than-the-probe": "it was out of memory",
            },
        ),
        (
            "unknown.sigkill-before-the-probe-gives-up",
            {
                "retry-longer-than-the-probe": "it ended before its startup probe could have given "
                "up"
            },
        ),
    ],
)
def test_what_also_ends_with_sigkill_is_ruled_out_by_a_line(
    log: str, ruled_out: dict[str, str]
) -> None:
    found = made(f"{log}.kubectl.log")
    assert {each.cause.id: each.against[0].sign.says for each in found.ruled_out} == ruled_out
    assert all(found.case.lines(*each.against[0].events) for each in found.ruled_out)


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
    found = made(f"unknown.{name}.log")
    assert words in "\n".join(found.decides)
