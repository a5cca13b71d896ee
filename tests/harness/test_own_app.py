"""A user's own app in the real lab: the outage happens to it by its entry of ten lines."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FIXTURE = Path(__file__).parents[2] / "fixtures" / "own_app"
ENTRY = (FIXTURE / "crashloop.toml").read_text()
COMMAND = (sys.executable, "-P", "-m", "crashloop")
DEADLINE_S = 110.0


@pytest.mark.slow
def test_the_outage_happens_to_an_app_that_runs_from_an_environment_of_its_own(
    tmp_path: Path,
) -> None:
    assert len([line for line in ENTRY.splitlines() if line]) <= 10
    folder, below = tmp_path / "shop", tmp_path / "shop" / "tests"
    shutil.copytree(FIXTURE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    own = ENTRY.replace('"{python} -m uvicorn', '"uvicorn').replace(
        "env =", f'venv = "{sys.prefix}"\nenv ='
    )
    (folder / "crashloop.toml").write_text(own)
    below.mkdir()

    words = ("reproduce", "issue-1278", "--app", "shop", "-p", "limit_s=10", "--seed", "7")
    done = subprocess.run(
        [*COMMAND, *words, "--json", "--artifacts", "kept"],
        cwd=below,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    first, *lines = (below / "kept" / "trace.jsonl").read_text().splitlines()
    header, events = json.loads(first), [json.loads(line) for line in lines]
    assert header["scenario"]["app"]["name"] == "shop"
    assert "uvicorn" not in header["versions"], "the app runs with one of its own"
    assert header["command"] == ("crashloop reproduce issue-1278 --app shop --seed 7 -p limit_s=10")
    exits = [event["data"] for event in events if event["kind"] == "process.exited"]
    assert [exit_["exit_code"] for exit_ in exits[:3]] == [3, 3, 3]
    kept = [path.read_text() for path in (below / "kept").iterdir()]
    assert any("key: ***" in text for text in kept)
    assert not any("not-for-a-trace" in text for text in [*kept, done.stdout, done.stderr])
