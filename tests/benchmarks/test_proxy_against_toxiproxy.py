"""The built-in proxy against Toxiproxy and against no proxy, all in one interleaved run.

Prints figures and asserts nothing about time; `docs/benchmarks.md` says how to read them.
CRASHLOOP_BENCH_QUICK=1 takes fewer rounds: good for a look, not for a claim.
"""

from __future__ import annotations

import json
import os
import platform
import resource
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from proxy_bench.figures import load_notes, table
from proxy_bench.idle import CONNECTIONS, idle_figures, start_figure
from proxy_bench.lanes import lanes
from proxy_bench.processes import crashloop, toxiproxy, traffic_client, traffic_server
from proxy_bench.rounds import Rounds, Sizes
from toxiproxy_server import toxiproxy_or_skip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy_bench.processes import Subject

QUICK = os.environ.get("CRASHLOOP_BENCH_QUICK") == "1"
STARTS = 2 if QUICK else 5
IDLE_S = 2 if QUICK else 5
SIZES = Sizes(
    rounds=3 if QUICK else 5,
    round_trips=1000 if QUICK else 2000,
    transfer_bytes=512 * 1024 * 1024,
    connections=400 if QUICK else 1000,
    pulses=70 if QUICK else 100,
    heals=20 if QUICK else 50,
)


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Enough of them for the idle connections, in this process and those it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CONNECTIONS + 500
    if resource.RLIM_INFINITY not in (soft, hard) and soft < wanted:
        if hard < wanted:
            pytest.skip(f"needs {wanted} open files a process, and `ulimit -Hn` allows {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.benchmark
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("many_descriptors")
def test_the_built_in_proxy_against_toxiproxy() -> None:
    server = toxiproxy_or_skip().server
    load = " ".join(Path("/proc/loadavg").read_text().split()[:3])
    with ExitStack() as stack:
        starts: list[tuple[Subject, Subject]] = []
        for _ in range(STARTS):
            stack.close()
            starts.append(
                (stack.enter_context(toxiproxy(server)), stack.enter_context(crashloop()))
            )
        ports = stack.enter_context(traffic_server(3))
        client = stack.enter_context(traffic_client())
        opened = stack.enter_context(lanes(ports, *starts[-1]))
        idle = list(idle_figures(client, opened, IDLE_S))
        rounds = Rounds(client, opened, SIZES)
        rounds.run()
        theirs, ours = ([each.start_s for each in subject] for subject in zip(*starts, strict=True))
        figures = [*rounds.figures(), start_figure(theirs, ours), *idle]
        machine = {
            "cpus": os.cpu_count(),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "load_before": load,
            "rounds": SIZES.rounds,
            "versions": {subject.name: subject.version for subject in starts[-1]},
        }
    print(f"\n{table(figures)}\n\n{load_notes(figures)}")
    print(json.dumps({"machine": machine, "figures": [figure.record() for figure in figures]}))
