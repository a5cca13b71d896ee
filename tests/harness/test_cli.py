"""The command as a user runs it: real runs, real signals, full disks, closed pipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_runs import (
    COMMAND,
    DEADLINE_S,
    LOOK_EVERY_S,
    awaited,
    begun,
    crashloop,
    left_behind,
    verdict,
)
from terminal import on_a_terminal
from tiny_disk import tiny_disk_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIDY_WITHIN_S = 5.0
GONE_WITHIN_S = 60.0
ESCAPE = "\x1b"

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc and tmpfs")


Reproduced = tuple[subprocess.CompletedProcess[str], Path]


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Reproduced:
    """One reproduction into a pipe, and the folder that it was started in."""
    folder = tmp_path_factory.mktemp("reproduced")
    words = ("reproduce", "issue-1278", "--seed", "1278", "--artifacts", "run")
    return crashloop(*words, folder=folder), folder


def test_a_reproduction_ends_with_0_and_a_full_report(reproduced: Reproduced) -> None:
    done, folder = reproduced

    assert done.returncode == 0, done.stderr
    for attempt in (1, 2, 3):
        assert f"attempt {attempt} " in done.stdout
    assert done.stdout.count("✗ exit 3") == 3
    assert "◆ healed" in done.stdout
    assert "REPRODUCED" in done.stdout
    assert "phase database failed after" in done.stdout
    assert "1 s here is 20 s of the incident" in " ".join(done.stdout.split())
    assert "Evidence  run" in done.stdout
    assert "Page      run/report.html" in done.stdout
    assert "REPRODUCED" in (folder / "run" / "report.html").read_text()
    assert "--seed 1278" in done.stdout
    assert verdict(folder)["verdict"] == "REPRODUCED"


def test_a_pipe_gets_no_escape_sequences_and_progress_goes_to_standard_error(
    reproduced: Reproduced,
) -> None:
    done, _ = reproduced

    assert ESCAPE not in done.stdout + done.stderr
    said = done.stderr.splitlines()
    assert len([one for one in said if one.endswith("died: exit 3")]) == 3
    assert "healed when attempt 3 had exited" in done.stderr


def test_its_trace_judged_again_gives_the_same_page(reproduced: Reproduced) -> None:
    done, folder = reproduced

    again = crashloop("judge", "run", folder=folder)

    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == done.stdout


@pytest.mark.slow
def test_a_terminal_gets_colours_and_a_dumb_one_or_no_color_gets_none(
    reproduced: Reproduced,
) -> None:
    _, folder = reproduced

    assert "\x1b[31m" in shown("judge", "run", folder=folder)[1]
    assert "\x1b[31m" not in shown("judge", "run", folder=folder, NO_COLOR="1")[1]
    assert ESCAPE not in shown("judge", "run", folder=folder, TERM="dumb")[1]


@pytest.mark.slow
def test_a_stream_that_takes_ascii_only_gets_a_timeline_too(reproduced: Reproduced) -> None:
    _, folder = reproduced

    done = crashloop("judge", "run", folder=folder, PYTHONIOENCODING="ascii")

    assert (done.returncode, done.stderr) == (0, "")
    assert "x exit 3" in done.stdout


@pytest.mark.slow
def test_a_reader_that_goes_away_is_not_an_error(reproduced: Reproduced) -> None:
    process = begun("judge", "run", folder=reproduced[1])
    process.stdout.close()

    _, err = process.communicate(timeout=DEADLINE_S)

    assert (process.returncode, err) == (0, "")


@pytest.mark.slow
@linux_only
def test_a_full_standard_output_is_reported_and_is_not_a_bug(reproduced: Reproduced) -> None:
    with Path("/dev/full").open("w") as full:
        process = begun("judge", "run", folder=reproduced[1], stdout=full)
    _, err = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 12
    assert "No space left on device" in err
    assert "bug" not in err


def shown(
    *words: str,
    folder: Path,
    meanwhile: Callable[[subprocess.Popen[bytes]], None] | None = None,
    **environment: str,
) -> tuple[int, str]:
    """Run a command on a terminal; its status and what was drawn."""
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40", **environment}
    command = [*COMMAND, *words]
    return on_a_terminal(command, cwd=folder, env=env, meanwhile=meanwhile, limit_s=DEADLINE_S)


def test_on_a_terminal_a_run_is_drawn_and_an_interrupted_one_leaves_timeline_and_verdict(
    tmp_path: Path,
) -> None:
    def interrupt(process: subprocess.Popen[bytes]) -> None:
        awaited("link.held", tmp_path)
        process.send_signal(signal.SIGINT)

    status, drawn = shown(
        "reproduce", "issue-1278", "--artifacts", "run", folder=tmp_path, meanwhile=interrupt
    )

    assert status == 130
    assert left_behind(tmp_path) == []
    assert drawn.count("incident s") >= 3
    left = drawn[drawn.rindex("\x1b[?25h") :]  # the live view has ended and shows the cursor again
    assert "attempt 1" in left
    assert "connector-scaling: hold" in left
    assert "INCONCLUSIVE" in left
    assert left.rstrip().endswith("interrupted by SIGINT; the evidence up to here is in run")


def test_with_json_standard_output_is_one_document_and_nothing_else(tmp_path: Path) -> None:
    done = crashloop(
        "reproduce", "issue-1278", "--role", "control", "--json", "--artifacts", "run",
        "--time-scale", "4",
        folder=tmp_path,
    )  # fmt: skip

    document = json.loads(done.stdout)
    assert done.returncode == document["exit_status"] == 10
    assert document["verdict"] == "NOT_REPRODUCED"
    assert document["faults"] == []
    assert len(document["attempts"]) == 1
    assert "attempt 1 started" in done.stderr


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGTERM, "phase.started"),
        pytest.param(signal.SIGINT, "workspace.made", marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, "baseline.passed", marks=pytest.mark.slow),
    ],
)
def test_a_signal_ends_a_run_tidily_within_5_s(
    tmp_path: Path, number: signal.Signals, moment: str
) -> None:
    process = begun("reproduce", "issue-1278", "--artifacts", "run", folder=tmp_path)
    awaited(moment, tmp_path)

    sent_s = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=DEADLINE_S)

    assert time.monotonic() - sent_s < TIDY_WITHIN_S
    assert process.returncode == 128 + number
    assert "INCONCLUSIVE" in out
    assert err.splitlines()[-1] == (
        f"interrupted by {number.name}; the evidence up to here is in run"
    )
    assert "Traceback" not in err
    assert verdict(tmp_path)["verdict"] == "INCONCLUSIVE"
    assert "INCONCLUSIVE" in (tmp_path / "run" / "report.html").read_text()
    assert left_behind(tmp_path) == []


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once_and_the_watcher_tidies_up(tmp_path: Path) -> None:
    process = begun("reproduce", "issue-1278", "--json", "--artifacts", "run", folder=tmp_path)
    app = awaited("process.started", tmp_path)
    awaited("link.held", tmp_path)
    os.kill(app["data"]["pid"], signal.SIGSTOP)  # so that it cannot end tidily

    process.send_signal(signal.SIGINT)
    while process.poll() is None:  # signals that come together are one, so again until it heeds
        process.send_signal(signal.SIGINT)
        time.sleep(LOOK_EVERY_S)
    out, err = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 130
    assert "a watcher ends what is still running" in err
    assert json.loads(out)["exit_status"] == 130
    assert verdict(tmp_path)["verdict"] == "INCONCLUSIVE"
    until_s = time.monotonic() + GONE_WITHIN_S
    while left_behind(tmp_path) and time.monotonic() < until_s:
        time.sleep(LOOK_EVERY_S)
    assert left_behind(tmp_path) == []


def test_help_does_not_wait_for_what_only_a_run_needs() -> None:
    heavy = "{'asyncpg', 'httpx', 'rich.live', 'crashloop.lab', 'crashloop.engines.local'}"
    code = f"import sys, crashloop.cli; sys.exit(bool({heavy} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-P", "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_a_proof_ends_with_0_and_a_table_of_four_runs(tmp_path: Path) -> None:
    done = crashloop("prove", "issue-1278", "--artifacts", "proof", folder=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓ ok") == 4
    assert " PROVEN " in done.stdout
    assert json.loads((tmp_path / "proof" / "proof.json").read_text())["proven"] is True


@linux_only
@pytest.mark.slow
def test_a_full_disk_is_named_and_leaves_nothing_running(tmp_path: Path, tiny_disk: Path) -> None:
    (tmp_path / "run").symlink_to(tiny_disk)

    done = crashloop(
        "reproduce", "issue-1278", "--role", "control", "--artifacts", "run", folder=tmp_path
    )

    assert done.returncode == 12
    assert "error: " in done.stderr
    assert "disk" in done.stderr
    assert "Traceback" not in done.stderr
    assert left_behind(tmp_path) == []


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    with tiny_disk_at(tmp_path / "tiny") as disk:
        yield disk
