"""`crashloop check` before anything starts: which app, which files, and the plan."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crashloop import interrupt
from crashloop.apps import find_entry
from crashloop.apps.text import read_text
from crashloop.cli import main
from crashloop.commands.check_order import CheckOrder, again, stricter
from crashloop.commands.folder import claimed
from crashloop.incidents import INCIDENTS
from crashloop.model import Outcome
from crashloop.survey.execution import Check as Survey
from crashloop.survey.execution import Found
from crashloop.survey.plan import Planned
from crashloop.survey.result import result_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Check = Callable[..., tuple[int, str, str]]

ENTRY = """
[apps.{name}]
command = "{{python}} main.py"
env = {{DATABASE_URL = "{{postgres.url}}", LIMIT_S = "{{limit_s}}"}}
dependencies = ["postgres"]
"""

MET = result_of(
    Planned(incident="issue-1278", title="it hangs", params={}),
    {"outcome": "SURVIVED", "verdict": "REPRODUCED", "why": "so"},
    require=Outcome.RECOVERED,
    took_s=1.0,
)


@pytest.fixture
def check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Check:
    """Run `crashloop check` in a folder with one app, `shop`."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crashloop.toml").write_text(ENTRY.format(name="shop"))

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["crashloop", "check", *words])
        status = main()
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_the_only_app_of_the_nearest_file_needs_no_name(check: Check, tmp_path: Path) -> None:
    status, out, _ = check("--dry-run")
    assert status == 0
    assert "issue-1278" in out
    assert "dependency:postgres:silent" in out
    assert "cache-still-loading" in out.partition("does not apply")[2]
    assert out.rstrip().endswith("nothing was started")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crashloop.toml"]


def test_of_several_apps_one_must_be_named(check: Check, tmp_path: Path) -> None:
    (tmp_path / "crashloop.toml").write_text("".join(ENTRY.format(name=n) for n in ("a", "b")))
    status, _, err = check("--dry-run")
    assert (status, "has 2 apps: a, b" in err, "crashloop check a" in err) == (2, True, True)
    assert check("b", "--dry-run")[0] == 0


def test_a_folder_without_an_entry_is_named(check: Check, tmp_path: Path) -> None:
    (tmp_path / "crashloop.toml").unlink()
    status, _, err = check()
    assert (status, "no app of your own is described" in err) == (2, True)
    assert "`crashloop init` writes one" in err


def test_an_incident_that_is_named_comes_alone(check: Check) -> None:
    _, out, _ = check("--dry-run", "--json", "--incident", "issue-1278", "-p", "limit_s=8")
    plan = json.loads(out)
    assert [(run["incident"], run["role"]) for run in plan["runs"]] == [
        ("issue-1278", "control"),
        ("issue-1278", "reproduction"),
    ]
    assert plan["runs"][1]["params"] == {"limit_s": "8"}
    assert plan["does_not_apply"] == []


def test_an_app_that_lacks_what_an_incident_needs_is_told_what_that_is(check: Check) -> None:
    plan = json.loads(check("--dry-run", "--json")[1])
    why = {each["incident"]: each["why"] for each in plan["does_not_apply"]}
    assert "redis, which app shop does not use" in why["cache-still-loading"]
    assert "no knob startup_table" in why["restart-herd"]
    assert all(why.values())
    runs = [each["incident"] for each in plan["runs"] if "dependency:" not in each["incident"]]
    assert {*runs} | {*why} == {*INCIDENTS}
    assert not {*runs} & {*why}


def test_the_sample_app_can_be_checked_from_anywhere_with_any_of_its_remedies(
    check: Check, tmp_path: Path
) -> None:
    (tmp_path / "crashloop.toml").unlink()
    words = ("sample", "--remedy", "sigterm", "--incident", "issue-1278", "--dry-run", "--json")
    plan = json.loads(check(*words)[1])
    assert [run["role"] for run in plan["runs"]] == ["control", "remedy"]
    status, _, err = check("sample", "--remedy", "signterm", "--dry-run")
    assert (status, "did you mean sigterm?" in err) == (2, True)


def test_an_app_of_the_users_own_that_is_called_sample_is_the_users(
    check: Check, tmp_path: Path
) -> None:
    (tmp_path / "crashloop.toml").write_text(ENTRY.format(name="sample"))
    plan = json.loads(check("sample", "--dry-run", "--json")[1])
    assert "cache-still-loading" in {each["incident"] for each in plan["does_not_apply"]}


def test_real_time_is_for_all_runs(check: Check) -> None:
    plan = json.loads(check("--dry-run", "--json", "--real-time")[1])
    assert {run["time_scale"] for run in plan["runs"]} == {1.0}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--require", "fine"), "choose one of survived, recovered"),
        (("--update-baseline",), "without --baseline"),
        (("--baseline", "none.json"), "there is no baseline none.json"),
        (("--resume",), "--resume was given without --artifacts"),
        (("--junit", "no/such/folder/x.xml"), "no/such/folder/x.xml cannot be written"),
        (("--summary", "."), "--summary . cannot be written"),
        (("--incident", "issue-1279"), "did you mean issue-1278?"),
        (("-p", "limitt_s=8"), "none of the incidents has a parameter 'limitt_s'"),
        (("-p", "limit_s=-8"), "limit_s=-8 is out of bounds"),
        (("--config", "other.toml"), "other.toml cannot be read"),
        (("--config", "/dev/zero"), "/dev/zero cannot be read: it is neither a file nor a pipe"),
        (("--config", "large"), "large cannot be read: it has more than 1048576 bytes"),
        (("--baseline", "/dev/zero"), "/dev/zero cannot be read: it is neither a file nor a pipe"),
        (("--baseline", "large"), "large cannot be read: it has more than 1048576 bytes"),
        (("--junit", "/dev/null"), "--junit /dev/null cannot be written: it is not a file"),
        (("--junit", "/proc/x.xml"), "--junit /proc/x.xml cannot be written"),
        (("--summary", "/proc/x.md"), "--summary /proc/x.md cannot be written"),
        (("--baseline", "/proc/x.json", "--update-baseline"), "/proc/x.json cannot be written"),
        (("--artifacts", "large"), "large: Not a directory"),
        (("--artifacts", "/proc/x"), "no evidence can be written into /proc/x"),
    ],
)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["real", "dry"])
def test_wrong_usage_is_one_message_before_anything_starts(
    check: Check, tmp_path: Path, words: tuple[str, ...], dry: tuple[str, ...], message: str
) -> None:
    (tmp_path / "large").write_bytes(b"#" * (1024 * 1024 + 1))
    status, _, err = check(*words, *dry)
    assert status == 2
    assert message in " ".join(err.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crashloop.toml", "large"]


def test_the_entry_can_come_from_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=("a = 1\r\n",))
    writer.start()
    assert read_text(tmp_path / "pipe") == "a = 1\n"
    writer.join()


def test_trying_whether_the_reports_can_be_written_leaves_no_file(
    check: Check, tmp_path: Path
) -> None:
    (tmp_path / "kept.md").write_text("kept")
    words = ("--junit", "x.xml", "--summary", "x.md", "--artifacts", "new/folder")
    assert check("--dry-run", *words)[0] == 0
    assert check("--dry-run", "--summary", "kept.md")[0] == 0
    assert (tmp_path / "kept.md").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crashloop.toml", "kept.md"]


def test_a_second_check_into_the_same_folder_is_wrong_usage(check: Check, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    with claimed(tmp_path / "kept", noun="check"):
        for words in ((), ("--resume",)):
            status, _, err = check("--artifacts", "kept", *words)
            assert (status, "another check is writing into" in err) == (2, True)
    with claimed(tmp_path / "kept", noun="check"):
        pass


NO_DEPENDENCY = '[apps.shop]\ncommand = "{python} main.py"\ndependencies = []\n'


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_report_that_cannot_be_written_hides_no_result(check: Check, tmp_path: Path) -> None:
    (tmp_path / "crashloop.toml").write_text(NO_DEPENDENCY)
    words = ("--incident", "issue-1278", "--summary", "/dev/full", "--no-live")
    status, out, err = check(*words)
    assert "about postgres, which app shop does not use" in " ".join(out.split())
    assert "--summary /dev/full cannot be written" in err
    assert status == 12
    status, out, err = check(*words, "--json")
    assert [each["incident"] for each in json.loads(out)["results"]] == ["issue-1278"]
    assert "--summary /dev/full cannot be written" in err
    assert status == 12


def test_a_dependency_run_that_broke_is_named_last_and_fails_the_check(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def found(*_: object) -> Found:
        return Found(results=(MET,), needs=(), broken={"dependency:stock:silent": "it is gone"})

    monkeypatch.setattr(Survey, "run", found)
    status, out, _ = check("--no-live")
    last = "the harness broke in dependency:stock:silent: it is gone"
    assert (status, out.rstrip().endswith(last)) == (12, True)
    status, out, _ = check("--no-live", "--json")
    assert (status, json.loads(out)["ok"], json.loads(out)["exit_status"]) == (12, False, 12)


def test_the_commands_that_a_check_shows_ask_for_the_same_files(check: Check) -> None:
    del check  # only its folder
    app = find_entry("shop", folder=Path.cwd())
    order = CheckOrder(
        config=Path("crashloop.toml"),
        incidents=("issue-1278",),
        remedy="mine",
        baseline=Path("my baseline.json"),
        update=True,
        junit=Path("check.xml"),
        summary=Path("check.md"),
    )
    what = "crashloop check shop --config crashloop.toml --incident issue-1278 --remedy mine"
    baseline = "--baseline 'my baseline.json' --update-baseline"
    assert stricter(order, app) == f"{what} {baseline}"
    assert again(order, app, "kept") == (
        f"{what} {baseline} --junit check.xml --summary check.md --artifacts kept --resume"
    )


def test_the_evidence_of_another_check_is_not_overwritten(check: Check, tmp_path: Path) -> None:
    (tmp_path / "kept/issue-1278").mkdir(parents=True)
    (tmp_path / "kept/issue-1278/trace.jsonl").touch()
    status, _, err = check("--artifacts", "kept")
    assert (status, "go on with it: --resume" in err) == (2, True)


def test_a_run_without_a_dependency_cannot_be_proven(
    check: Check, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del check  # only its folder
    name = "dependency:postgres:silent"
    monkeypatch.setattr(sys, "argv", ["crashloop", "prove", name, "--app", "shop"])
    assert main() == 2
    assert "there is nothing to prove" in capsys.readouterr().err


def test_a_foreign_baseline_is_refused(check: Check, tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text('{"schema": "crashloop.baseline/1", "app": "bank"}')
    status, _, err = check("--baseline", "b.json")
    assert (status, "the baseline of app bank, not of shop" in err) == (2, True)


@pytest.mark.parametrize("as_json", [False, True])
def test_an_interrupted_check_shows_the_rows_of_the_runs_that_have_ended(
    check: Check,
    monkeypatch: pytest.MonkeyPatch,
    *,
    as_json: bool,
) -> None:
    def stopped(work: Coroutine[Any, Any, Any], **_: Any) -> None:
        work.close()
        raise interrupt.Interrupted(signal.SIGINT)

    run = Planned(incident="issue-1278", title="it hangs", params={})
    answer = {"outcome": "SURVIVED", "verdict": "NOT_REPRODUCED", "exit_status": 0, "why": "so"}
    ended = result_of(run, answer, require=Outcome.RECOVERED, took_s=1.0)
    monkeypatch.setattr(interrupt, "run", stopped)
    monkeypatch.setattr(Survey, "so_far", lambda *_: Found(results=(ended,), needs=()))

    status, out, err = check("--json" if as_json else "--no-live")

    assert status == 128 + signal.SIGINT
    assert ("issue-1278                     survived" in out) is not as_json
    assert "interrupted by SIGINT" in err
    if as_json:
        document = json.loads(out)
        assert document["error"].startswith("interrupted by SIGINT")
        assert [each["incident"] for each in document["results"]] == ["issue-1278"]
        assert (document["ok"], document["exit_status"]) == (False, status)
