"""The restart loop on Docker: by its own count of restarts of one container."""

from __future__ import annotations

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import changed, moved, without
from crashloop_traces import pid
from docker_cases import docker_reproduction

WHOLE = docker_reproduction()
FIRST_BOOT = WHOLE.of("startup.started")[0].data["boot_id"]

CASES = [
    *cases(
        "restart_loop",
        params={"restarts": 3},
        holds={
            "Docker's own count shows three restarts, without a back-off of ours": (
                WHOLE,
                "Docker restarted the app 3 times, each time as a new process",
            ),
            "Docker's clock may put a start before the death that it follows": (
                moved(WHOLE, "process.started", -0.5, attempt=3),
                "restarted the app 3 times",
            ),
        },
        refuted={
            "another container": (
                changed(WHOLE, "process.started", attempt=2, container="deadbeef0000"),
                "attempt 2 is another container",
            ),
            "the same process again": (
                changed(WHOLE, "process.started", attempt=2, pid=pid(1)),
                "attempt 2 has the pid of the one before",
            ),
            "nothing after the last death": (
                without(WHOLE, "process.started", attempt=4),
                "nothing was started after attempt 3 died",
            ),
        },
        saw_nothing={
            "a count that is too high: a life was not seen": (
                changed(WHOLE, "process.started", attempt=3, restart_count=3),
                "the platform counts 3 restarts at the start of attempt 3",
            ),
            "a count that is too low": (
                changed(WHOLE, "process.started", attempt=2, restart_count=0),
                "the platform counts 0 restarts at the start of attempt 2",
            ),
            "two lives that were over before anybody looked: not one process, but unknown": (
                changed(
                    changed(WHOLE, "process.exited", attempt=2, pid=None),
                    "process.started",
                    attempt=3,
                    pid=None,
                ),
                "attempt 2 and the one after it cannot be distinguished",
            ),
            "no count at all": (
                changed(WHOLE, "process.started", attempt=4, restart_count=None),
                "the platform counts None restarts at the start of attempt 4",
            ),
            "the log of an earlier life again": (
                changed(WHOLE, "startup.started", attempt=3, boot_id=FIRST_BOOT),
                "the logs of attempt 1 and attempt 3 have the same boot id",
            ),
        },
    ),
    *cases(
        "restart_loop",
        params={"restarts": 1},
        holds={"Docker's own count shows one restart": (WHOLE, "restarted the app once")},
    ),
    *cases(
        "restart_loop",
        params={"restarts": 2},
        holds={
            "a miscount after the restarts that were expected is not looked at": (
                changed(WHOLE, "process.started", attempt=4, restart_count=9),
                "restarted the app twice",
            )
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()
