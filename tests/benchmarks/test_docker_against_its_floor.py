"""How much longer a reproduction on Docker takes than what Docker's own commands need for it."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from docker_floor import Floor, measure

from crashloop.engines.docker.daemon import connect
from crashloop.engines.docker.images import Images, ready
from crashloop.errors import CapabilityError
from crashloop.trace.reader import read_trace

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = 2 if os.environ.get("CRASHLOOP_BENCH_QUICK") else 5
COMMAND = ["reproduce", "issue-1278", "--engine", "docker", "--seed", "1278", "--artifacts"]


@pytest.mark.benchmark
@pytest.mark.timeout(600)
def test_a_reproduction_on_docker_compared_with_dockers_own_commands(tmp_path: Path) -> None:
    images = _images()
    floors: list[Floor] = []
    walls_s: list[float] = []
    parts: list[dict[str, float]] = []
    _reproduce(tmp_path / "warm")
    for number in range(ROUNDS):
        floors.append(measure(images))
        walls_s.append(_reproduce(tmp_path / str(number)))
        parts.append(_parts(tmp_path / str(number), walls_s[-1]))

    floor_s, wall_s = (
        statistics.median(f.total_s for f in floors),
        statistics.median(walls_s),
    )
    ratio = statistics.median(w / f.total_s for w, f in zip(walls_s, floors, strict=True))
    print(f"\n\na reproduction on Docker, medians of {ROUNDS} rounds, interleaved")
    print(f"  by crashloop, the whole command        {wall_s:6.2f} s")
    for name in parts[0]:
        print(f"    {name:<36} {statistics.median(p[name] for p in parts):6.2f} s")
    print(f"  the floor, by docker's own commands    {floor_s:6.2f} s")
    for name, value in (
        ("the slower server is ready", [f.servers_s for f in floors]),
        ("three lives", [sum(f.lives_s) for f in floors]),
        ("two gaps between them", [sum(f.gaps_s[:2]) for f in floors]),
        ("heal to serving", [f.recovery_s for f in floors]),
        ("one removal of all", [f.removal_s for f in floors]),
    ):
        print(f"    {name:<36} {statistics.median(value):6.2f} s")
    print(f"  ratio, round by round                  {ratio:6.2f}")
    load = os.getloadavg()[0]
    print(json.dumps({"wall_s": wall_s, "floor_s": floor_s, "ratio": ratio, "load_after": load}))


def _images() -> Images:
    if shutil.which("docker") is None:
        pytest.skip("the floor is measured with the command docker, which is not on PATH")
    try:
        daemon = connect()
        try:
            return ready(daemon, Images.from_environment(), say=print)
        finally:
            daemon.close()
    except CapabilityError as error:
        pytest.skip(str(error))


def _reproduce(artifacts: Path) -> float:
    begun_s = time.monotonic()
    subprocess.run(
        [sys.executable, "-P", "-m", "crashloop", *COMMAND, artifacts],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return time.monotonic() - begun_s


def _parts(artifacts: Path, wall_s: float) -> dict[str, float]:
    """Where the command's time went, by its own trace."""
    trace = read_trace(artifacts)
    at_s = {
        kind: [event.mono_ns / 1e9 for event in trace.of(kind)]
        for kind in (
            *("lab.ready", "process.started", "process.exited", "fault.healed"),
            *("journey.step", "run.finished"),
        )
    }
    starts, ends = at_s["process.started"], at_s["process.exited"]
    opening_s = float(trace.of("lab.ready")[0].data["took_s"])
    finished, healed, passed = (
        at_s["run.finished"][0],
        at_s["fault.healed"][0],
        at_s["journey.step"][-1],
    )
    inside_s = finished - at_s["lab.ready"][0] + opening_s
    return {
        "interpreter, imports, report": wall_s - inside_s,
        "networks and servers": opening_s,
        "baseline, fault, first start": starts[0] - at_s["lab.ready"][0],
        "three lives": sum(end - start for start, end in zip(starts[:3], ends[:3], strict=True)),
        "two gaps between them": sum(
            start - end for end, start in zip(ends[:2], starts[1:3], strict=True)
        ),
        "last death to heal": healed - ends[2],
        "heal to the end of the journey": passed - healed,
        "stop, logs saved, all removed": finished - passed,
    }
