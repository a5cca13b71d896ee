"""A run's own trace as a log: it is judged, and answered with its incident."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from crashloop.cli import app
from crashloop.errors import UsageError

RUNS = Path(__file__).parents[2] / "fixtures" / "recorded" / "schema-1"


def trace(role: str, folder: Path) -> Path:
    file = folder / f"{role}.jsonl"
    file.write_bytes(gzip.decompress((RUNS / f"{role}.jsonl.gz").read_bytes()))
    return file


def diagnosed(*files: Path) -> tuple[int, Any]:
    result = CliRunner().invoke(app, ["diagnose", *map(str, files), "--json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, json.loads(result.output)


def test_a_reproduction_is_answered_with_its_incident_and_the_lines_of_its_events(
    tmp_path: Path,
) -> None:
    file = trace("reproduction", tmp_path)

    status, answer = diagnosed(file)

    (cause,) = answer["causes"]
    assert (status, cause["id"], cause["confidence"]) == (0, "issue-1278", "high")
    lines = file.read_text().splitlines()
    for cited in answer["whys"][1]["lines"]:
        shown = json.loads(lines[cited["line"] - 1])
        assert set(json.loads(cited["text"].split(" ", 1)[1])) >= set(shown["data"])


@pytest.mark.parametrize("role", ["control", "remedy", "unplugged"])
def test_a_run_that_shows_no_outage_of_its_own_is_unknown_and_says_why(
    role: str, tmp_path: Path
) -> None:
    status, answer = diagnosed(trace(role, tmp_path))

    assert (status, answer["unknown"], answer["causes"]) == (11, True, [])
    assert "run of issue-1278" in answer["decides"][0]


def test_a_trace_beside_other_logs_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "app.log"
    other.write_text("hello\n")

    with pytest.raises(UsageError, match="trace of a run"):
        diagnosed(other, trace("control", tmp_path))
