"""`crashloop check` on a user's own app in the real lab."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from cli_runs import begun, crashloop
from leftovers import left_of
from many_runs import awaited, left_in_time, workspaces

FIXTURE = Path(__file__).parents[2] / "fixtures" / "own_app"
PLAIN = FIXTURE.parent / "plain_app"
DEADLINE_S = 110.0
ONE = ("check", "shop", "--incident", "issue-1278", "--artifacts", "kept")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    shutil.copytree(FIXTURE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.slow
def test_an_app_that_does_not_start_is_said_at_once_with_its_last_lines(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("raise SystemExit('no module named shop')")
    (tmp_path / "crashloop.toml").write_text(
        '[apps.shop]\ncommand = "{python} main.py {port}"\nenv = {URL = "{postgres.url}"}\n'
    )
    done = crashloop("check", "--artifacts", "kept", folder=tmp_path)
    assert done.returncode == 13, done.stdout + done.stderr
    assert "    no module named shop" in done.stdout
    kept = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert kept == ["control", "report.html"]


@pytest.mark.slow
def test_a_run_without_a_dependency_shows_how_much_the_app_needs_it(shop: Path) -> None:
    words = ("reproduce", "dependency:postgres:silent", "--app", "shop", "--json")
    done = crashloop(*words, "--artifacts", "kept", folder=shop)
    found = {each["check"]: each["says"] for each in json.loads(done.stdout)["findings"]}
    assert "postgres is hard at start" in found["dependency_needed"]
    assert "hard at run time (its journey failed: POST /orders/{key}" in found["dependency_needed"]


@pytest.mark.slow
def test_an_interrupted_check_goes_on_where_it_ended_and_its_failures_can_be_accepted(
    shop: Path,
) -> None:
    check = begun(*ONE, folder=shop)
    awaited(shop / "kept", "issue-1278/trace.jsonl", "process.started")
    check.send_signal(signal.SIGTERM)
    _, err = check.communicate(timeout=DEADLINE_S)
    assert check.returncode == 128 + signal.SIGTERM
    assert "the evidence of 1 run is in kept" in err
    assert "go on with: crashloop check shop --incident issue-1278 --artifacts kept" in err
    assert not [left for folder in workspaces(shop / "kept") for left in left_of(folder)]

    words = (*ONE, "--resume", "--require", "survived")
    files = ("--junit", "check.xml", "--summary", "check.md")
    done = crashloop(*words, *files, "--json", folder=shop)
    assert done.returncode == 10, done.stderr
    assert "control, without a fault: done, as an earlier check found" in done.stderr
    (result,) = json.loads(done.stdout)["results"]
    assert (result["incident"], result["outcome"]) == ("issue-1278", "RECOVERED")
    assert set(result["exit_codes"]) == {3}
    assert "kept/issue-1278-2" in result["trace"]
    assert ET.parse(shop / "check.xml").find(".//failure") is not None  # noqa: S314  ours
    assert "| ❌ | `issue-1278` | recovered |" in (shop / "check.md").read_text()

    accepted = crashloop(*words, "--baseline", "base.json", "--update-baseline", folder=shop)
    assert accepted.returncode == 0, accepted.stderr
    assert "known: the baseline accepts it" in accepted.stdout
    assert crashloop(*words, "--baseline", "base.json", folder=shop).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are found by /proc/*/environ")
def test_the_runs_of_a_check_that_is_killed_end_and_leave_nothing(shop: Path) -> None:
    check = begun(*ONE, folder=shop)
    awaited(shop / "kept", "issue-1278/trace.jsonl", "process.started")
    check.kill()
    check.communicate(timeout=DEADLINE_S)
    assert not left_in_time(shop / "kept")


@pytest.mark.slow
def test_an_incident_that_needs_what_an_app_lacks_says_what_that_is(tmp_path: Path) -> None:
    """This app has no cache, and changes no schema."""
    folder = tmp_path / "plain"
    shutil.copytree(PLAIN, folder, ignore=shutil.ignore_patterns("__pycache__"))
    wanted = {
        "cache-still-loading": "is about redis, which app plain does not use",
        "liveness-kills-the-migration": "it changes no schema while it starts",
    }
    names = [word for name in wanted for word in ("--incident", name)]
    done = crashloop("check", *names, "--json", "--artifacts", "kept", folder=folder)
    found = {each["incident"]: each for each in json.loads(done.stdout)["results"]}
    assert {each["met"] for each in found.values()} == {"does not apply"}
    assert all(says in found[name]["why"] for name, says in wanted.items())
    assert done.returncode == 11, "nothing applies"
