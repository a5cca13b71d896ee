"""The whole matrix: the signatures of the library against fresh traces of everything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from cli_runs import begun

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE_S = 3000.0


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(DEADLINE_S + 60)
def test_each_signature_matches_its_own_trace_and_rejects_all_others(tmp_path: Path) -> None:
    matrix = begun("matrix", "--json", "--artifacts", "kept", folder=tmp_path)
    try:
        out, err = matrix.communicate(timeout=DEADLINE_S)
    finally:
        matrix.kill()
    assert matrix.returncode in {0, 11}, err
    found = json.loads(out)
    assert found["false_matches"] == []
    assert not [each for each in found["missing"] if each["what"] == "diagonal"]
    assert found["rejected_share"] >= 0.9
    rejected = [each for each in found["cells"] if each["verdict"] == "NOT_REPRODUCED"]
    assert all(each["decided_by"]["holds"] is False for each in rejected)
