"""The whole matrix: the signatures of the library against the traces of everything.

The proofs of the incidents and the tests of the faults alone make these traces, so the matrix makes
none where their evidence is kept.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cli_runs import begun
from pgbouncer import needs_pgbouncer

from crashloop.testing.settings import read_settings

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE_S = 3000.0


@pytest.mark.slow
@pytest.mark.alone
@needs_pgbouncer
@pytest.mark.timeout(DEADLINE_S + 60)
def test_each_signature_matches_its_own_trace_and_rejects_all_others(
    pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    kept = read_settings(pytestconfig).artifacts
    found = matrix(["--traces", str(kept)] if kept else ["--artifacts", "kept"], tmp_path)

    assert found["missing"] == []
    assert found["false_matches"] == []
    assert found["rejected_share"] >= 0.9
    off = [each for each in found["cells"] if each["signature"] != each["trace"]]
    rejected = [each for each in off if each["verdict"] == "NOT_REPRODUCED"]
    assert all(each["decided_by"]["holds"] is False for each in rejected)
    assert not [each for each in rejected if each["by_count"]]
    overlaps = [each for each in off if each["expected"] == "OVERLAP"]
    assert not [each for each in overlaps if each["verdict"] != "REPRODUCED"]


def matrix(words: list[str], folder: Path) -> dict[str, Any]:
    """What the command prints."""
    command = begun("matrix", "--json", *words, folder=folder)
    try:
        out, err = command.communicate(timeout=DEADLINE_S)
    finally:
        command.kill()
    assert out, err
    found: dict[str, Any] = json.loads(out)
    return found
