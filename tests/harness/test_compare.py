"""`crashloop compare` in the real lab: whole, interrupted, killed, and gone on with."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from cli_runs import begun, crashloop
from leftovers import left_of
from many_runs import awaited, left_in_time, workspaces

from crashloop.campaign.evidence import RESULTS_FILE

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE_S = 110.0
# Healed early, and with limits that differ, so that a trial takes a few seconds.
WORDS = ("compare", "issue-1278", "--remedy", "limit=60", "-p", "heal_s=120", "--seed", "7")
KEPT = ("--trials", "2", "--artifacts", "kept")


def trials(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of the results so far that are trials."""
    try:
        lines = (folder / RESULTS_FILE).read_text().split("\n")[:-1]
    except OSError:
        return []
    return [one for one in map(json.loads, lines) if one.get("kind") == "trial"]


@pytest.mark.slow
def test_two_arms_with_two_trials_each_are_measured_and_leave_nothing(tmp_path: Path) -> None:
    done = crashloop(*WORDS, *KEPT, "--json", folder=tmp_path)
    assert done.returncode == 11, done.stderr
    document = json.loads(done.stdout)
    assert [(arm["remedy"], arm["trials"]) for arm in document["arms"]] == [
        ("none", 2),
        ("limit=60", 2),
    ]
    assert document["trials_per_minute"] > 0
    none, remedied = document["arms"]
    assert none["success"]["rate"] < 1
    assert (remedied["success"]["rate"], remedied["loops"]["k"]) == (1.0, 0)
    assert all(each["trials_needed"] for each in remedied["criteria"])
    assert "data:image/svg+xml;base64," in (tmp_path / "kept" / "report.html").read_text()
    made = trials(tmp_path / "kept")
    assert {one["answer"]["measured"]["verdict"] for one in made} <= {
        "REPRODUCED",
        "NOT_REPRODUCED",
    }
    again = made[0]["answer"]["measured"]["command"].split()
    assert again[:3] == ["crashloop", "reproduce", "issue-1278"]
    assert not [left for folder in workspaces(tmp_path / "kept") for left in left_of(folder)]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are found by /proc/*/environ")
def test_a_comparison_that_is_interrupted_and_killed_leaves_nothing_and_goes_on(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "kept"
    first = begun(*WORDS, *KEPT, folder=tmp_path)
    awaited(folder, "trials/*/*/trace.jsonl", "process.started")
    first.send_signal(signal.SIGINT)
    _, err = first.communicate(timeout=DEADLINE_S)
    assert first.returncode == 130
    assert f"the results of {len(trials(folder))} trial" in err
    assert "go on with: crashloop compare issue-1278 --remedy limit=60" in err
    assert not [left for each in workspaces(folder) for left in left_of(each)]

    before = {*folder.glob("trials/*/*/trace.jsonl")}
    second = begun(*WORDS, *KEPT, "--resume", folder=tmp_path)
    awaited(folder, "trials/*/*-2/trace.jsonl", "process.started")
    second.kill()
    second.communicate(timeout=DEADLINE_S)
    assert not left_in_time(folder)
    with (folder / RESULTS_FILE).open("a") as results:
        results.write('{"kind": "trial", "arm": "no')
    done_before = len(trials(folder))

    last = crashloop(*WORDS, *KEPT, "--resume", "--json", folder=tmp_path)
    assert last.returncode == 11, last.stderr
    assert "control run" not in last.stderr
    assert [arm["trials"] for arm in json.loads(last.stdout)["arms"]] == [2, 2]
    assert len(trials(folder)) == 4
    assert done_before < 4
    assert before < {*folder.glob("trials/*/*/trace.jsonl")}
