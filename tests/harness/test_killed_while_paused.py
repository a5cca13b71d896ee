"""The command is ended while three replicas wait for a Postgres that a fault has stopped."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_runs import awaited, begun, verdict
from leftovers import LINUX, left_of, segment_of, segments

import crashloop

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

REPLICAS = 3
TIDY_WITHIN_S = 5.0
GONE_WITHIN_S = 15.0
LOOK_EVERY_S = 0.05
FIXTURES = Path(__file__).parents[2] / "fixtures"
WITH_THE_OUTAGE = """
import sys
from planned_faults import outage_of
from crashloop.cli import main
from crashloop.incidents import INCIDENTS
from crashloop.model import Replicas

INCIDENTS["paused"] = outage_of("paused", replicas=Replicas(count=3))
sys.exit(main())
"""

pytestmark = pytest.mark.skipif(not LINUX, reason="looks into Linux's /proc")


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The command whose replicas are connected to the stopped Postgres."""
    process: subprocess.Popen[str] = begun(
        *("reproduce", "paused", "--artifacts", "run", "--time-scale", "1"),
        folder=tmp_path,
        command=(sys.executable, "-P", "-c", WITH_THE_OUTAGE),
        PYTHONPATH=os.pathsep.join(
            [str(Path(crashloop.__file__).parents[1]), str(FIXTURES), *filter(None, sys.path)]
        ),
    )
    try:
        awaited("process.stopped", tmp_path)
        connected_before = 2  # the baselines
        awaited("link.connected", tmp_path, count=connected_before + REPLICAS)
        yield process
    finally:
        process.kill()
        process.communicate()


def folder_of(tmp_path: Path) -> Path:
    return Path(awaited("workspace.made", tmp_path)["data"]["folder"])


@pytest.mark.slow
def test_nothing_is_left_of_it_after_a_sigkill(
    tmp_path: Path, waiting: subprocess.Popen[str]
) -> None:
    folder = folder_of(tmp_path)
    shared = segment_of(folder / "pg" / "data")
    assert shared in segments(), "or the test sees nothing"
    assert len(left_of(folder)) > REPLICAS, "or the test sees nothing"

    waiting.kill()
    assert waiting.wait() == -signal.SIGKILL

    until_s = time.monotonic() + GONE_WITHIN_S
    while (left := left_of(folder)) and time.monotonic() < until_s:
        time.sleep(LOOK_EVERY_S)  # other processes end on their own: there is no event to wait for
    assert left == []
    assert shared not in segments()


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_signal_ends_it_tidily_within_5_s(
    tmp_path: Path, waiting: subprocess.Popen[str], number: signal.Signals
) -> None:
    folder = folder_of(tmp_path)
    shared = segment_of(folder / "pg" / "data")

    sent_s = time.monotonic()
    waiting.send_signal(number)
    out, err = waiting.communicate(timeout=GONE_WITHIN_S)

    assert time.monotonic() - sent_s < TIDY_WITHIN_S
    assert waiting.returncode == 128 + number
    assert "INCONCLUSIVE" in out
    assert err.splitlines()[-1] == (
        f"interrupted by {number.name}; the evidence up to here is in run"
    )
    assert verdict(tmp_path)["verdict"] == "INCONCLUSIVE"
    assert left_of(folder) == []
    assert shared not in segments()
