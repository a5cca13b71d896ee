"""Checks of how attempts ended, and whether the platform restarted them."""

import pytest
from crashloop_cases import Case, of
from crashloop_edits import changed, moved, without
from crashloop_traces import control, pid, reproduction

EXIT_3 = {"code": 3, "times": 3}
LOOP = {"restarts": 3}

CASES = [
    *of(
        "exit_code",
        Case(
            sentence="three deaths with 3",
            trace=reproduction,
            holds=True,
            says="3 attempts died with exit 3",
        ),
        Case(
            sentence="a death with another code",
            trace=lambda: changed(reproduction(), "process.exited", attempt=2, exit_code=1),
            holds=False,
            says="attempt 2 ended with exit 1, not exit 3",
        ),
        Case(
            sentence="a death by a signal",
            trace=lambda: changed(
                reproduction(), "process.exited", attempt=2, exit_code=None, signal="SIGKILL"
            ),
            holds=False,
            says="attempt 2 ended with signal SIGKILL",
        ),
        Case(
            sentence="one death too few",
            trace=lambda: reproduction(deaths=1),
            holds=False,
            says="1 attempt died with exit 3, not 3",
        ),
        Case(
            sentence="an end that was asked for is no death",
            trace=control,
            holds=False,
            says="no attempt died on its own",
        ),
        Case(
            sentence="a code and a signal at once cannot be read",
            trace=lambda: changed(reproduction(), "process.exited", attempt=2, signal="SIGKILL"),
            holds=None,
            says="an exit code and a signal",
        ),
        Case(
            sentence="nobody was seen to end",
            trace=lambda: without(control(), "process.exited"),
            holds=None,
            says="no attempt was seen to end",
        ),
        **EXIT_3,
    ),
    *of(
        "restart_loop",
        Case(
            sentence="three restarts, each a new process",
            trace=reproduction,
            holds=True,
            says="the platform (on-failure) restarted it 3 times",
        ),
        Case(
            sentence="too few deaths",
            trace=lambda: reproduction(deaths=2),
            holds=False,
            says="2 attempts died, where a loop of 3 restarts was expected",
        ),
        Case(
            sentence="nothing after the last death",
            trace=lambda: without(reproduction(), "process.started", attempt=4),
            holds=False,
            says="nothing was started after attempt 3 died",
        ),
        Case(
            sentence="a start inside the back-off",
            trace=lambda: changed(reproduction(), "restart.scheduled", attempt=1, backoff_s=5.0),
            holds=False,
            says="inside the back-off of 5 s",
        ),
        Case(
            sentence="a start before the death",
            trace=lambda: moved(reproduction(), "process.started", -0.5, attempt=3),
            holds=False,
            says="attempt 3 started -",
        ),
        Case(
            sentence="the same process again",
            trace=lambda: changed(reproduction(), "process.started", attempt=2, pid=pid(1)),
            holds=False,
            says="attempt 2 has the pid of the one before",
        ),
        Case(
            sentence="a restart that no policy scheduled",
            trace=lambda: without(reproduction(), "restart.scheduled", attempt=2),
            holds=None,
            says="no restart was scheduled after attempt 2",
        ),
        Case(
            sentence="the log of an earlier attempt again",
            trace=lambda: changed(
                reproduction(), "startup.started", attempt=3, boot_id=f"{1:032x}"
            ),
            holds=None,
            says="the logs of attempts 1 and 3 have the same boot id",
        ),
        Case(
            sentence="no log at all",
            trace=lambda: without(reproduction(), "startup.started", attempt=2),
            holds=None,
            says="attempt 2 logged no boot id",
        ),
        **LOOP,
    ),
    *of(
        "no_death",
        Case(
            sentence="nobody died",
            trace=control,
            holds=True,
            says="no attempt died",
        ),
        Case(
            sentence="somebody died",
            trace=reproduction,
            holds=False,
            says="attempt 1 ended with exit 3",
        ),
        Case(
            sentence="nobody lived",
            trace=lambda: without(control(), "process.started", "process.exited"),
            holds=None,
            says="no attempt was started",
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()
