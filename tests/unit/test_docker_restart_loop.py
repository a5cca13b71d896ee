"""The restart loop on Docker: by its own count of restarts of one container."""

from __future__ import annotations

import pytest
from crashloop_cases import Case
from crashloop_edits import changed, moved, without
from crashloop_traces import pid
from docker_cases import docker_reproduction

LOOP = {"restarts": 3}

CASES = [
    Case(
        sentence="Docker's own count shows three restarts, without a back-off of ours",
        check="restart_loop",
        trace=docker_reproduction,
        params=LOOP,
        holds=True,
        says="the platform (on-failure) restarted it 3 times, each a new process",
    ),
    Case(
        sentence="Docker's own count shows one restart",
        check="restart_loop",
        trace=docker_reproduction,
        params={"restarts": 1},
        holds=True,
        says="restarted it once",
    ),
    Case(
        sentence="Docker's clock may put a start before the death that it follows",
        check="restart_loop",
        trace=lambda: moved(docker_reproduction(), "process.started", -0.5, attempt=3),
        params=LOOP,
        holds=True,
        says="restarted it 3 times",
    ),
    Case(
        sentence="a count that is too high: a life was not seen",
        check="restart_loop",
        trace=lambda: changed(docker_reproduction(), "process.started", attempt=3, restart_count=3),
        params=LOOP,
        holds=None,
        says="the platform counts 3 restarts at the start of attempt 3",
    ),
    Case(
        sentence="a count that is too low",
        check="restart_loop",
        trace=lambda: changed(docker_reproduction(), "process.started", attempt=2, restart_count=0),
        params=LOOP,
        holds=None,
        says="the platform counts 0 restarts at the start of attempt 2",
    ),
    Case(
        sentence="two lives that were over before anybody looked: not one process, but unknown",
        check="restart_loop",
        trace=lambda: changed(
            changed(docker_reproduction(), "process.exited", attempt=2, pid=None),
            "process.started",
            attempt=3,
            pid=None,
        ),
        params=LOOP,
        holds=None,
        says="attempts 2 and 3 cannot be distinguished",
    ),
    Case(
        sentence="no count at all",
        check="restart_loop",
        trace=lambda: changed(
            docker_reproduction(), "process.started", attempt=4, restart_count=None
        ),
        params=LOOP,
        holds=None,
        says="the platform counts None restarts at the start of attempt 4",
    ),
    Case(
        sentence="another container",
        check="restart_loop",
        trace=lambda: changed(
            docker_reproduction(), "process.started", attempt=2, container="deadbeef0000"
        ),
        params=LOOP,
        holds=False,
        says="attempt 2 is another container",
    ),
    Case(
        sentence="the same process again",
        check="restart_loop",
        trace=lambda: changed(docker_reproduction(), "process.started", attempt=2, pid=pid(1)),
        params=LOOP,
        holds=False,
        says="attempt 2 has the pid of the one before",
    ),
    Case(
        sentence="nothing after the last death",
        check="restart_loop",
        trace=lambda: without(docker_reproduction(), "process.started", attempt=4),
        params=LOOP,
        holds=False,
        says="nothing was started after attempt 3 died",
    ),
    Case(
        sentence="the log of an earlier life again",
        check="restart_loop",
        trace=lambda: changed(
            docker_reproduction(), "startup.started", attempt=3, boot_id=f"{1:032x}"
        ),
        params=LOOP,
        holds=None,
        says="the logs of attempts 1 and 3 have the same boot id",
    ),
    Case(
        sentence="a miscount after the restarts that were expected is not looked at",
        check="restart_loop",
        trace=lambda: changed(docker_reproduction(), "process.started", attempt=4, restart_count=9),
        params={"restarts": 2},
        holds=True,
        says="restarted it twice",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()
