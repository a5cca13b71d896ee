from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from app_under_test.log import Log

if TYPE_CHECKING:
    import pytest


def test_a_line_has_cloud_loggings_fields_and_ours(capsys: pytest.CaptureFixture[str]) -> None:
    before_ns = time.monotonic_ns()
    Log(boot_id="b00t").emit(
        "phase.failed", "Phase cache\nfailed", severity="ERROR", phase="cache", limit_s=1.5
    )
    text = capsys.readouterr().out
    assert text.count("\n") == 1
    line = json.loads(text)
    assert line["severity"] == "ERROR"
    assert line["logging.googleapis.com/labels"] == {"boot_id": "b00t", "phase": "cache"}
    assert (line["event"], line["phase"], line["limit_s"]) == ("phase.failed", "cache", 1.5)
    assert before_ns <= line["mono_ns"] <= time.monotonic_ns()
    assert line["time"].endswith("Z")
    assert len(line["time"]) == len("2025-09-15T00:00:00.000000Z")
    assert datetime.now(UTC) - datetime.fromisoformat(line["time"]) < timedelta(minutes=1)


def test_a_line_without_a_phase_has_no_phase(capsys: pytest.CaptureFixture[str]) -> None:
    Log(boot_id="b00t").emit("startup.started", "Start-up begins")
    line = json.loads(capsys.readouterr().out)
    assert "phase" not in line
    assert line["logging.googleapis.com/labels"] == {"boot_id": "b00t"}
