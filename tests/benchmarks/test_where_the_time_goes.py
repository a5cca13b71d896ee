"""Where the wall time of a scaled reproduction goes; prints figures and asserts nothing about time.

`tox -e benchmark`, or `pytest -n 0 -s -m benchmark tests/benchmarks`, on an idle machine.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from crashloop.trace.reader import read_trace

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.trace.event import Event, Trace

RUNS = 5


@pytest.mark.benchmark
def test_breakdown_of_a_scaled_reproduction(tmp_path: Path) -> None:
    _reproduce(tmp_path / "warm-up")
    rows = [_breakdown(*_reproduce(tmp_path / str(n))) for n in range(RUNS)]

    medians = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    total_s = medians["total"]
    print(f"\nwall time of `crashloop reproduce issue-1278`, median of {RUNS} runs")
    for name, seconds in medians.items():
        print(f"  {name:34} {seconds:7.3f} s {seconds / total_s:6.1%}")
    print(json.dumps({name: round(seconds, 4) for name, seconds in medians.items()}))


def _reproduce(artifacts: Path) -> tuple[float, Trace]:
    """Run the command; wall seconds from its start to its end, and the trace."""
    command = [sys.executable, "-P", "-m", "crashloop", "reproduce", "issue-1278", "--no-live"]
    begun_s = time.monotonic()
    done = subprocess.run(
        [*command, "--artifacts", str(artifacts)], capture_output=True, check=False, timeout=120
    )
    took_s = time.monotonic() - begun_s
    assert done.returncode == 0, done.stderr.decode()
    return took_s, read_trace(artifacts / "trace.jsonl")


def _breakdown(total_s: float, trace: Trace) -> dict[str, float]:
    """Seconds of each part. Ours is what is left: command, proxy, judge, tear-down.

    An attempt's cold start is interpreter, imports and the phases before database; the app's way
    out after a failure counts to it. The scenario's own waiting is phase database under the fault.
    """
    failed = trace.of("phase.failed", phase="database")
    waiting_s = sum(event.data["duration_s"] for event in failed)
    back_off_s = sum(event.data["wall_s"] for event in trace.of("restart.scheduled"))
    lives_s = sum(
        event.data["run_s"] for event in trace.of("process.exited") if not event.data["requested"]
    )
    last = trace.of("process.started")[-1]
    serving_s = _between(last, trace.of("port.opened")[-1])
    stopping_s = _between(trace.of("golden.row")[-1], trace.of("process.exited")[-1])
    database_s = trace.of("database.started")[0].data["start_s"]
    parts = {
        "database start": database_s,
        "waiting that the scenario asks for": waiting_s + back_off_s,
        "cold starts of 3 attempts that die": lives_s - waiting_s,
        "cold start of the one that serves": serving_s,
        "its orderly stop": stopping_s,
    }
    return {**parts, "overhead of ours": total_s - sum(parts.values()), "total": total_s}


def _between(first: Event, second: Event) -> float:
    return (second.mono_ns - first.mono_ns) / 1e9
