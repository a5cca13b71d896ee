"""The results of a comparison on disk."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from crashloop.campaign.evidence import RESULTS_FILE, Evidence
from crashloop.campaign.fairness import Fair
from crashloop.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

GOOD = {"measured": {"verdict": "REPRODUCED"}}
DIGEST = "d1"


def opened(folder: Path) -> AbstractContextManager[Evidence]:
    return Evidence(folder).open(digest=DIGEST, says="crashloop compare x", seed=7)


def test_what_was_added_is_there_again(tmp_path: Path) -> None:
    with opened(tmp_path / "kept") as evidence:
        evidence.add_fair({"at_once": 4, "scale": 20.0}, wall_s=3.0)
        evidence.add_trial("none", 1, GOOD, wall_s=9.5)
        evidence.add_trial("limit=25", 1, GOOD, wall_s=12.25)
    found = Evidence(tmp_path / "kept").earlier(DIGEST)
    assert found.trials == {("none", 1): GOOD, ("limit=25", 1): GOOD}
    assert (found.fair, found.wall_s) == (Fair(at_once=4, scale=20.0), 12.25)
    assert Evidence(tmp_path / "kept").header()["seed"] == 7


def test_a_folder_without_results_has_nothing_earlier(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path / "missing")
    assert not evidence.is_used
    assert evidence.earlier(DIGEST).trials == {}


@pytest.mark.parametrize("torn", ['{"kind": "trial", "arm": "no', '{"schema": "crash', ""])
def test_a_torn_last_line_is_cut_off_and_the_next_one_is_whole(tmp_path: Path, torn: str) -> None:
    with opened(tmp_path) as evidence:
        evidence.add_trial("none", 1, GOOD, wall_s=1.0)
    file = tmp_path / RESULTS_FILE
    file.write_text(file.read_text() + torn)
    assert Evidence(tmp_path).earlier(DIGEST).trials == {("none", 1): GOOD}
    with opened(tmp_path) as evidence:
        evidence.add_trial("none", 2, GOOD, wall_s=2.0)
    assert len(Evidence(tmp_path).earlier(DIGEST).trials) == 2
    assert all(json.loads(line) for line in file.read_text().splitlines())


def test_a_torn_first_line_is_written_again(tmp_path: Path) -> None:
    (tmp_path / RESULTS_FILE).write_text('{"schema": "crashloop.comp')
    assert Evidence(tmp_path).earlier(DIGEST).trials == {}
    with opened(tmp_path):
        pass
    assert Evidence(tmp_path).header()["digest"] == DIGEST


def test_a_trial_that_broke_is_made_again(tmp_path: Path) -> None:
    with opened(tmp_path) as evidence:
        evidence.add_trial("none", 1, {"error": "Postgres died"}, wall_s=1.0)
    assert Evidence(tmp_path).earlier(DIGEST).trials == {}


def test_the_results_of_another_comparison_are_refused(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    with pytest.raises(UsageError, match="another comparison: crashloop compare x"):
        Evidence(tmp_path).earlier("d2")


@pytest.mark.parametrize("text", ["{}\n", '{"schema": "crashloop.comparison-results/9"}\n'])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / RESULTS_FILE).write_text(text)
    with pytest.raises(UsageError, match="no results that this version reads"):
        Evidence(tmp_path).earlier(DIGEST)


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        '{"kind": "trial"}',
        '{"kind": "trial", "arm": "none", "number": 1, "answer": {"measured": {"lives": 2}}}',
        '{"kind": "fair"}',
        '{"kind": "fair", "fair": {"at_once": 0, "scale": 20}}',
        '{"kind": "fair", "fair": {"at_once": 1000000000, "scale": 20}}',
        '{"kind": "fair", "fair": {"at_once": 2, "scale": NaN}}',
        '{"kind": "fair", "fair": {"at_once": 2, "scale": 0}}',
        '{"kind": "fair", "fair": {"at_once": 2, "scale": 20, "phases": {"database": "1"}}}',
        '{"kind": "fair", "fair": {"at_once": 2, "scale": 20, "phases": 5}}',
        '{"kind": "fair", "fair": "fair"}',
        '{"kind": "trial", "arm": "none", "number": 0, "answer": {"measured": {}}}',
        '{"kind": "trial", "arm": "none", "number": 1, "answer": {"error": "x"}, "wall_s": "x"}',
        '{"kind": "trial", "arm": "none", "number": 1, "answer": {"error": "x"}, "wall_s": 1e999}',
    ],
)
def test_a_line_that_is_no_result_is_named(tmp_path: Path, line: str) -> None:
    with opened(tmp_path):
        pass
    file = tmp_path / RESULTS_FILE
    file.write_text(file.read_text() + line + "\n")
    with pytest.raises(UsageError, match="line 2, is no result"):
        Evidence(tmp_path).earlier(DIGEST)


@pytest.mark.parametrize(
    "figures",
    [
        {"lives_ready": 50, "lives_started": 2},
        {"lives_ready": -1, "lives_started": 2},
        {"lives_ready": "2", "lives_started": 2},
        {"lives_ready": None},
        {"lives_ready": True, "lives_started": 2},
        {"phase_failed": 2, "phase_entered": 1, "lives_started": 2},
        {"phase_entered": 3, "lives_started": 2},
        {"golden_path": [2, 1]},
        {"golden_path": [1, 2, 3]},
        {"recovery_s": ["1"]},
        {"recovery_s": [float("nan")]},
        {"recovery_s": 5},
        {"near_limit": [5]},
        {"inconclusive": 5},
        {"connections_peak": "7"},
        {"loop": "no"},
        {"wall_s": float("inf")},
    ],
    ids=str,
)
def test_a_trial_whose_figures_no_trial_has_is_named(
    tmp_path: Path, figures: dict[str, Any]
) -> None:
    with opened(tmp_path) as evidence:
        evidence.add_trial(
            "none", 1, {"measured": {"verdict": "REPRODUCED", **figures}}, wall_s=1.0
        )
    with pytest.raises(UsageError, match="line 2, is no result"):
        Evidence(tmp_path).earlier(DIGEST)


@pytest.mark.parametrize("seed", ['"x"', "[1]", "-5", "1.5", "null", "4294967296", "true"])
def test_a_first_line_without_a_seed_is_named(tmp_path: Path, seed: str) -> None:
    with opened(tmp_path):
        pass
    file = tmp_path / RESULTS_FILE
    file.write_text(file.read_text().replace('"seed": 7', f'"seed": {seed}'))
    with pytest.raises(UsageError, match="line 1, is no result"):
        Evidence(tmp_path).header()


def test_a_full_disk_is_said_with_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with opened(tmp_path) as evidence:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(HarnessError, match="No space left on device") as raised:
            evidence.add_trial("none", 1, GOOD, wall_s=1.0)
    assert "--resume goes on" in raised.value.hint


def test_the_evidence_of_a_run_is_never_overwritten(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path)
    first = evidence.free("trials", "none", "001")
    first.mkdir(parents=True)
    second = evidence.free("trials", "none", "001")
    second.mkdir()
    assert second == tmp_path / "trials/none/001-2"
    assert evidence.free("trials", "none", "001").name == "001-3"
