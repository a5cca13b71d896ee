from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crashloop.cli import app

MADE = Path(__file__).parents[2] / "fixtures" / "logs" / "made"
PERCENT = MADE / "percent-sign-in-database-url.log"


def run(*arguments: str, given: str | bytes | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["diagnose", *arguments], input=given)
    return result.exit_code, result.output


def test_a_log_whose_cause_is_known_is_decided_with_its_lines() -> None:
    status, output = run(str(PERCENT), "--json")
    answer = json.loads(output)
    assert (status, answer["unknown"]) == (0, False)
    (cause,) = answer["causes"]
    assert (cause["id"], cause["confidence"]) == ("percent-sign-in-database-url", "high")
    assert {line["line"] for line in cause["for"]} == {9}


def test_a_password_in_a_line_of_the_evidence_is_masked() -> None:
    for options in ((), ("--json",)):
        _, output = run(str(PERCENT), *options)
        assert "made-up" not in output


def test_a_log_is_read_from_standard_input() -> None:
    status, output = run("-", given=PERCENT.read_bytes())
    assert status == 0
    assert "percent-sign-in-database-url" in output


def test_a_log_that_says_nothing_known_is_unknown() -> None:
    status, output = run("-", given="hello\nworld\n")
    assert status == 11
    assert "Unknown" in output


@pytest.mark.parametrize("content", [b"", b"\x7fELF\x00\x00\x01"], ids=["empty", "binary"])
def test_a_file_that_is_no_log_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(content)
    result = CliRunner().invoke(app, ["diagnose", str(file)])
    assert result.exit_code != 0
    assert str(file) in str(result.exception or result.output)
