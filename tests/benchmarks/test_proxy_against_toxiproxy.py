"""The built-in proxy against Toxiproxy and against no proxy, all in one interleaved run.

Prints figures and asserts nothing about time; `docs/benchmarks.md` says how to read them.
CRASHLOOP_BENCH_QUICK=1 takes fewer rounds: good for a look, not for a claim.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import resource
import statistics
from typing import TYPE_CHECKING

import pytest
from proxy_bench.figures import IDLE, Figure, Sizes, figures_of_memory, figures_of_traffic, table
from proxy_bench.paths import crashloop, lanes, toxiproxy
from toxiproxy_server import toxiproxy_or_skip

if TYPE_CHECKING:
    from collections.abc import Iterator

QUICK = os.environ.get("CRASHLOOP_BENCH_QUICK") == "1"
STARTS = 2 if QUICK else 5
SIZES = Sizes(
    rounds=3 if QUICK else 5,
    round_trips=1000 if QUICK else 2000,
    connections=400 if QUICK else 1000,
    pulses=70 if QUICK else 100,
)


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Enough of them for the idle connections, in this process and those it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * IDLE + 500
    if resource.RLIM_INFINITY not in (soft, hard) and soft < wanted:
        if hard < wanted:
            pytest.skip(f"needs {wanted} open files a process, and `ulimit -Hn` allows {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def no_collections() -> Iterator[None]:
    """The load generator is this process: a collection would count as a proxy's time."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.benchmark
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("many_descriptors", "no_collections")
def test_the_built_in_proxy_against_toxiproxy() -> None:
    server = toxiproxy_or_skip().server
    load = os.getloadavg()
    starts = []
    for _ in range(STARTS):
        with toxiproxy(server) as theirs, crashloop() as ours:
            starts.append((theirs.start_s * 1e3, ours.start_s * 1e3))
    start = [statistics.median(each) for each in zip(*starts, strict=True)]
    with toxiproxy(server) as theirs, crashloop() as ours, lanes(theirs, ours) as opened:
        figures = [
            *figures_of_memory(opened),
            *figures_of_traffic(opened, SIZES),
            Figure(
                name="start until the API answers",
                unit="ms",
                toxiproxy=start[0],
                crashloop=start[1],
            ),
        ]
    machine = {
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": load,
        "rounds": SIZES.rounds,
        "versions": {proxy.name: proxy.version for proxy in (theirs, ours)},
    }
    print(f"\n{table(figures)}")
    print(json.dumps({"machine": machine, "figures": [figure.record() for figure in figures]}))
