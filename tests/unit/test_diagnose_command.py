from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crashloop.cli import app
from crashloop.commands.diagnose import show_diagnosis
from crashloop.errors import UsageError
from crashloop.log_files import read_lines
from crashloop.run import write_whole

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


def test_a_report_never_replaces_the_log_or_a_device(tmp_path: Path) -> None:
    log, pipe = tmp_path / "app.log", tmp_path / "pipe"
    log.write_text(PERCENT.read_text())
    with pytest.raises(UsageError, match="is one of the logs"):
        show_diagnosis([str(log)], None, log, as_json=True)
    assert log.read_text() == PERCENT.read_text()
    os.mkfifo(pipe)
    with pipe.open("r+b", buffering=0):  # a reader, so that a writer does not wait
        write_whole(pipe, "page")
    assert pipe.is_fifo()


def test_a_report_never_replaces_a_log_that_has_another_name(tmp_path: Path) -> None:
    log, link = tmp_path / "app.log", tmp_path / "current.log"
    log.write_bytes(PERCENT.read_bytes())
    link.symlink_to(log)
    with pytest.raises(UsageError, match="is one of the logs"):
        show_diagnosis([str(log)], None, link, as_json=True)
    assert log.read_bytes() == PERCENT.read_bytes()


def test_a_closed_standard_input_is_said_to_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crashloop.log_files.sys.stdin", None)
    with pytest.raises(UsageError, match="standard input is closed"):
        next(read_lines("-"))


def test_a_private_key_beside_the_evidence_is_not_on_the_page(tmp_path: Path) -> None:
    log, page = tmp_path / "app.log", tmp_path / "report.html"
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQ==\n-----END PRIVATE KEY-----\n"
    log.write_text(key + PERCENT.read_text() + key)
    assert run(str(log), "--report", str(page))[0] == 0
    assert "-----END PRIVATE KEY" in page.read_text()
    assert "MIIEvQ" not in page.read_text()


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
