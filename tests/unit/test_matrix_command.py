"""`crashloop matrix` on stored traces, and what it refuses before anything starts."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from incident_files import EXAMPLE, NAME, written
from matrices import HANGS, RETRIES, SLOTS, TRACES, loosened, write

from crashloop import interrupt
from crashloop.cli import main
from crashloop.incidents import ELSEWHERE, INCIDENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    Run = Callable[..., tuple[int, str, str]]

THREE = ("--against", HANGS, "--against", RETRIES, "--against", SLOTS, "--traces", "kept")


@pytest.fixture
def matrix(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Run]:
    """Run `crashloop matrix` in a folder with three stored traces."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    for name, trace in TRACES.items():
        write(trace, tmp_path / "kept" / name)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["crashloop", "matrix", *words])
        status = main()
        said = capsys.readouterr()
        return status, said.out, said.err

    yield run
    ELSEWHERE.use(None)


def test_stored_traces_are_judged_by_every_signature(matrix: Run) -> None:
    status, out, err = matrix(*THREE)
    assert status == 0, out
    assert " AS EXPECTED " in out
    assert f"{len(INCIDENTS)} signatures against 3 traces; 3 of 3 match their own" in out
    assert f"{HANGS}: REPRODUCED, by a stored trace" in err


def test_json_is_one_document(matrix: Run) -> None:
    status, out, _ = matrix(*THREE, "--json")
    found = json.loads(out)
    assert (status, found["exit_status"]) == (0, 0)
    assert len(found["cells"]) == 3 * len(INCIDENTS)
    assert (found["false_matches"], found["missing"], found["artifacts"]) == ([], [], None)


def test_markdown_is_the_page(matrix: Run) -> None:
    status, out, _ = matrix(*THREE, "--markdown")
    assert status == 0
    assert out.startswith("<!-- Do not edit this page.")
    assert f"| `{HANGS}` |" in out


def test_a_loose_signature_fails_the_command(matrix: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(INCIDENTS, RETRIES, loosened(RETRIES))
    status, out, _ = matrix(*THREE)
    assert status == 10
    assert "false matches" in out


def test_traces_that_are_not_there_fail_the_command(matrix: Run) -> None:
    status, out, _ = matrix(HANGS, "--traces", "kept")
    assert status == 11
    assert "fault:hold: there is no trace of it as it would be made today" in out


def test_a_torn_trace_is_a_missing_one_and_no_fault_of_the_signature(
    matrix: Run, tmp_path: Path
) -> None:
    path = tmp_path / "kept" / HANGS / "trace.jsonl"
    path.write_bytes(path.read_bytes()[:-9])

    status, out, _ = matrix(*THREE)
    assert status == 11
    assert f"traces that cannot be used\n  kept/{HANGS}/trace.jsonl: the trace's last line" in out

    document = json.loads(matrix(*THREE, "--json")[1])
    assert [each["path"] for each in document["unusable"]] == [f"kept/{HANGS}/trace.jsonl"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("issue-1279",), "did you mean issue-1278?"),
        (("--against", "fault:hol"), "did you mean hold?"),
        (("--resume",), "--resume was given without --artifacts"),
        (("--json", "--markdown"), "exclude each other"),
        (("--traces", "kept", "--artifacts", "new"), "--traces makes no trace"),
        (("--traces", "none"), "--traces none is no folder"),
        (("--artifacts", "kept"), "already has the traces of another matrix"),
        (("--artifacts", "/proc/x"), "no evidence can be written into /proc/x"),
        (("--jobs", "-1"), "--jobs"),
    ],
)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["real", "dry"])
def test_wrong_usage_is_one_message_before_anything_starts(
    matrix: Run, tmp_path: Path, words: tuple[str, ...], dry: tuple[str, ...], message: str
) -> None:
    status, out, err = matrix(*words, *dry)
    assert status == 2
    assert (out == "") is ("--json" not in words)
    assert message in " ".join(err.split())
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_the_plan_lists_what_would_run_and_starts_nothing(matrix: Run, tmp_path: Path) -> None:
    words = (HANGS, "--against", "fault:hold", "--artifacts", "kept", "--resume", "--dry-run")
    status, out, _ = matrix(*words)
    assert status == 0
    assert "fault:hold" in out.partition("stored")[0]
    assert out.rstrip().endswith("nothing was started")
    plan = json.loads(matrix(*words, "--json")[1])
    assert ([run["name"] for run in plan["runs"]], plan["stored"]) == (["fault:hold"], [HANGS])
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_the_incidents_of_a_folder_have_a_row_and_one_that_is_left_out_is_no_success(
    matrix: Run, tmp_path: Path
) -> None:
    written(tmp_path / "mine", one=EXAMPLE)
    status, out, err = matrix(*THREE, "--incidents", "mine", "--json")
    cells = json.loads(out)["cells"]
    assert (status, len(cells)) == (0, 3 * len(INCIDENTS) + 3)
    assert {each["verdict"] for each in cells if each["signature"] == NAME} == {"NOT_REPRODUCED"}

    written(tmp_path / "mine", two="1 / 0")
    status, out, err = matrix(*THREE, "--incidents", "mine", "--json")
    assert (status, json.loads(out)["exit_status"]) == (2, 2)
    assert "left out: mine/two.py" in err


@pytest.mark.parametrize("as_json", [False, True])
def test_an_interrupted_matrix_says_how_to_go_on(
    matrix: Run, monkeypatch: pytest.MonkeyPatch, *, as_json: bool
) -> None:
    def stopped(work: Coroutine[Any, Any, Any], **_: Any) -> None:
        work.close()
        raise interrupt.Interrupted(signal.SIGINT)

    monkeypatch.setattr(interrupt, "run", stopped)
    status, out, err = matrix("--artifacts", "new", *(("--json",) if as_json else ()))
    assert status == 128 + signal.SIGINT
    assert "interrupted by SIGINT; 0 traces had been judged" in err
    assert json.loads(out)["cells"] == [] if as_json else "error" not in out


def test_what_goes_on_with_an_interrupted_matrix_asks_for_the_same(
    matrix: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(work: Coroutine[Any, Any, Any], **_: Any) -> None:
        asyncio.run(work)
        raise interrupt.Interrupted(signal.SIGINT)

    monkeypatch.setattr(interrupt, "run", stopped)
    words = f"{HANGS} --against {RETRIES} --summary new.md --artifacts kept --resume"

    _, _, err = matrix(*words.split())

    assert f"go on with: crashloop matrix {words}\n" in err
