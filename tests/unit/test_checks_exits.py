"""Checks of how attempts ended, and whether the platform restarted them."""

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import changed, moved, without
from crashloop_traces import CONTROL, REPRODUCTION, pid, reproduction

CASES = [
    *cases(
        "exit_code",
        params={"code": 3, "times": 3},
        holds={"three deaths with 3": (REPRODUCTION, "3 attempts died with exit 3")},
        refuted={
            "a death with another code": (
                changed(REPRODUCTION, "process.exited", attempt=2, exit_code=1),
                "attempt 2 ended with exit 1, not exit 3",
            ),
            "a death by a signal": (
                changed(
                    REPRODUCTION, "process.exited", attempt=2, exit_code=None, signal="SIGKILL"
                ),
                "attempt 2 ended with signal SIGKILL",
            ),
            "one death too few": (reproduction(deaths=1), "1 attempt died with exit 3, not 3"),
            "an end that was asked for is no death": (CONTROL, "no attempt died on its own"),
        },
        saw_nothing={
            "a code and a signal at once cannot be read": (
                changed(REPRODUCTION, "process.exited", attempt=2, signal="SIGKILL"),
                "an exit code and a signal",
            ),
            "nobody was seen to end": (
                without(CONTROL, "process.exited"),
                "no attempt was seen to end",
            ),
        },
    ),
    *cases(
        "restart_loop",
        params={"restarts": 3},
        holds={
            "three restarts, each a new process": (
                REPRODUCTION,
                "the platform (on-failure) restarted the app 3 times",
            )
        },
        refuted={
            "too few deaths": (
                reproduction(deaths=2),
                "2 attempts died, where a loop of 3 restarts was expected",
            ),
            "nothing after the last death": (
                without(REPRODUCTION, "process.started", attempt=4),
                "nothing was started after attempt 3 died",
            ),
            "a start inside the back-off": (
                changed(REPRODUCTION, "restart.scheduled", attempt=1, backoff_s=5.0),
                "inside the back-off of 5 s",
            ),
            "a start before the death": (
                moved(REPRODUCTION, "process.started", -0.5, attempt=3),
                "attempt 3 started -",
            ),
            "the same process again": (
                changed(REPRODUCTION, "process.started", attempt=2, pid=pid(1)),
                "attempt 2 has the pid of the one before",
            ),
        },
        saw_nothing={
            "a restart that no policy scheduled": (
                without(REPRODUCTION, "restart.scheduled", attempt=2),
                "no restart was scheduled after attempt 2",
            ),
            "the log of an earlier attempt again": (
                changed(REPRODUCTION, "startup.started", attempt=3, boot_id=f"{1:032x}"),
                "the logs of attempts 1 and 3 have the same boot id",
            ),
            "no log at all": (
                without(REPRODUCTION, "startup.started", attempt=2),
                "attempt 2 logged no boot id",
            ),
        },
    ),
    *cases(
        "no_death",
        holds={"nobody died": (CONTROL, "no attempt died")},
        refuted={"somebody died": (REPRODUCTION, "attempt 1 ended with exit 3")},
        saw_nothing={
            "nobody lived": (
                without(CONTROL, "process.started", "process.exited"),
                "no attempt was started",
            )
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()
