"""`crashloop matrix` with runs in the real lab."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest
from cli_runs import begun, crashloop
from leftovers import left_of
from many_runs import awaited, workspaces

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE_S = 110.0
ONE = ("matrix", "issue-1278", "--against", "fault:refuse", "--artifacts", "kept", "--jobs", "1")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_interrupted_matrix_goes_on_with_the_traces_that_it_has(tmp_path: Path) -> None:
    matrix = begun(*ONE, folder=tmp_path)
    awaited(tmp_path / "kept", "fault-refuse/trace.jsonl", "process.started")
    matrix.send_signal(signal.SIGTERM)
    _, err = matrix.communicate(timeout=DEADLINE_S)
    assert matrix.returncode == 128 + signal.SIGTERM
    assert "1 trace had been judged" in err
    assert "go on with: crashloop matrix issue-1278 --against fault:refuse" in err
    assert not [left for folder in workspaces(tmp_path / "kept") for left in left_of(folder)]

    done = crashloop(*ONE, "--resume", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "issue-1278: REPRODUCED, by a stored trace" in done.stderr
    found = json.loads(done.stdout)
    assert set(found["traces"]) == {"issue-1278", "fault:refuse"}
    (cell,) = [each for each in found["cells"] if each["trace"] == "fault:refuse"]
    assert (cell["verdict"], cell["decided_by"]["check"]) == ("NOT_REPRODUCED", "phase_failed")
    assert json.loads((tmp_path / "kept" / "matrix.json").read_text()) == found
