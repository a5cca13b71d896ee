"""Checks of how attempts ended, what ended them, and whether the platform restarted them."""

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import (
    changed,
    ended,
    inserted,
    moved,
    one,
    sealed,
    with_scenario,
    without,
)
from crashloop_outages import KILLED, SLOTS, slots_exhausted
from crashloop_traces import CONTROL, REPRODUCTION, control, pid, reproduction

from crashloop.checks.exits import restart_loop
from crashloop.checks.lives import for_replicas
from crashloop.checks.result import holds, saw_nothing
from crashloop.trace.event import Trace

THREE = reproduction(replicas=3)
HEALED_BY_A_SCHEDULE = with_scenario(
    reproduction(deaths=4),
    faults=[
        {
            **REPRODUCTION.scenario["faults"][0],
            "heal": {"first_of": [{"on": "baseline.passed", "through_restarts": True}]},
        }
    ],
)
SOME = {"replicas": "some"}


def without_replicas(*numbers: int) -> Trace:
    """The exhausted slots, as if the scenario had only the others."""
    left = [e for e in SLOTS.events if e.replica not in numbers]
    return with_scenario(sealed(SLOTS, left), replicas={"count": 1, "overlap": 1})


def signalled(*attempts: int, kind: str = "process.signalled") -> Trace:
    """Lives that SIGKILL ended, where a fault sent it to these of them, and no platform did."""
    trace = without(KILLED, "process.killed", "probe.failed")
    for attempt in attempts:
        begun = one(trace, "phase.started", attempt, "database")
        trace = inserted(
            trace, begun, "harness", kind, attempt=attempt, target="replicas",
            signal="SIGKILL",
        )  # fmt: skip
    return trace


ANOTHER = "attempt 2 was killed by somebody else than the platform: signal SIG"


CASES = [
    *cases(
        "exit_code",
        params={"code": 3, "times": 3},
        holds={
            "three deaths with 3": (REPRODUCTION, "3 attempts died with exit 3"),
            "one death more before a schedule healed the fault": (
                HEALED_BY_A_SCHEDULE,
                "4 attempts died with exit 3",
            ),
            "three deaths of each replica": (
                THREE,
                "in each of 3 replicas, 3 attempts died with exit 3",
            ),
        },
        refuted={
            "one replica died less often": (
                without(THREE, "process.exited", attempt=3, replica=2),
                "in replica 2, 2 attempts died with exit 3, not 3",
            ),
            "one replica never died": (SLOTS, "in replica 1, 0 attempts died with exit 3"),
            "a death of one replica with another code": (
                changed(THREE, "process.exited", attempt=2, replica=3, exit_code=1),
                "attempt 2 of replica 3 ended with exit 1, not exit 3",
            ),
            "a death with another code": (
                changed(REPRODUCTION, "process.exited", attempt=2, exit_code=1),
                "attempt 2 ended with exit 1, not exit 3",
            ),
            "a death by a signal": (ended(REPRODUCTION, 2, "SIGSEGV"), "ended with signal SIGSEGV"),
            "one death too many": (reproduction(deaths=4), "4 attempts died with exit 3, not 3"),
            "one death too few": (reproduction(deaths=1), "1 attempt died with exit 3, not 3"),
            "an end that was asked for is no death": (CONTROL, "no attempt died on its own"),
        },
        saw_nothing={
            "a code and a signal at once cannot be read": (
                changed(REPRODUCTION, "process.exited", attempt=2, signal="SIGKILL"),
                "an exit code and a signal",
            ),
            "a SIGKILL that the platform did not send": (
                ended(REPRODUCTION, 2, "SIGKILL"),
                ANOTHER,
            ),
            "a SIGTERM that the platform did not send": (
                ended(REPRODUCTION, 2, "SIGTERM"),
                ANOTHER,
            ),
            "a shell says 137 of its command that was killed": (
                ended(REPRODUCTION, 2, 137),
                "attempt 2 was killed by somebody else than the platform: exit 137",
            ),
            "nobody was seen to end": (
                without(CONTROL, "process.exited"),
                "no attempt was seen to end",
            ),
        },
    ),
    *cases(
        "exit_code",
        params={"code": 3, "times": 3, **SOME},
        holds={
            "some replicas died so often": (SLOTS, "in replica 2, 3 attempts died with exit 3"),
            "more deaths of one than asked for": (
                slots_exhausted(deaths=4),
                "in replica 2, 4 attempts died with exit 3",
            ),
        },
        refuted={
            "no replica died so often": (
                slots_exhausted(deaths=2),
                "2 attempts died with exit 3, not 3",
            ),
            "a death of another replica with another code": (
                changed(SLOTS, "process.exited", attempt=1, replica=3, exit_code=1),
                "attempt 1 of replica 3 ended with exit 1",
            ),
        },
    ),
    *cases(
        "exit_code",
        params={"code": 137, "times": 2},
        holds={
            "an end by SIGKILL is exit 137": (KILLED, "2 attempts died with exit 137"),
            "so is one by a planned fault": (
                signalled(1, 2),
                "2 attempts died with exit 137",
            ),
            "so is the kernel's, for memory beyond a limit": (
                signalled(1, 2, kind="process.memory_exceeded"),
                "2 attempts died with exit 137",
            ),
            "so is what Docker says of it": (
                changed(KILLED, "process.exited", attempt=1, exit_code=137, signal=None),
                "2 attempts died with exit 137",
            ),
        },
        saw_nothing={
            "a fault sent it to the other life only": (
                signalled(1),
                "attempt 2 was killed by somebody else",
            )
        },
        refuted={
            "another signal is another code": (
                changed(KILLED, "process.exited", attempt=1, signal="SIGTERM"),
                "attempt 1 ended with signal SIGTERM, not exit 137",
            )
        },
    ),
    *cases(
        "restart_loop",
        params={"restarts": 3},
        holds={
            "three restarts of each replica": (
                THREE,
                "in each of 3 replicas, the platform (a model of docker:on-failure:6)",
            ),
            "three restarts, each a new process": (
                REPRODUCTION,
                "(a model of docker:on-failure:6) restarted the app 3 times, each time as a new",
            ),
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
            "one replica that is not restarted": (
                without(THREE, "process.started", attempt=4, replica=2),
                "nothing was started after attempt 3 of replica 2 died",
            ),
            "the same process again": (
                changed(REPRODUCTION, "process.started", attempt=2, pid=pid(1)),
                "attempt 2 has the pid of the one before",
            ),
        },
        saw_nothing={
            "one death of a loop by somebody else": (ended(REPRODUCTION, 2, "SIGKILL"), ANOTHER),
            "nothing after a death by somebody else": (
                without(
                    ended(REPRODUCTION, 3, "SIGKILL"),
                    "process.started",
                    "process.exited",
                    attempt=4,
                ),
                "attempt 3 was killed by somebody else than the platform",
            ),
            "a restart that no policy scheduled": (
                without(REPRODUCTION, "restart.scheduled", attempt=2),
                "no restart was scheduled after attempt 2",
            ),
            "the log of an earlier attempt again": (
                changed(REPRODUCTION, "startup.started", attempt=3, boot_id=f"{pid(1):032x}"),
                "the logs of attempt 1 and attempt 3 have the same boot id",
            ),
            "the log of another replica again": (
                changed(
                    THREE, "startup.started", attempt=1, replica=3, boot_id=f"{pid(2, 2):032x}"
                ),
                "have the same boot id: they do not come from two processes",
            ),
            "no log at all": (
                without(REPRODUCTION, "startup.started", attempt=2),
                "attempt 2 logged no boot id",
            ),
        },
    ),
    *cases(
        "restart_loop",
        params={"restarts": 3, **SOME},
        holds={
            "some replicas are restarted, and one never died": (
                SLOTS,
                "in replica 2, the platform (a model of docker:on-failure:20) restarted the app",
            )
        },
        refuted={
            "no replica is restarted so often": (
                slots_exhausted(deaths=2),
                "where a loop of 3 restarts was expected",
            )
        },
    ),
    *cases(
        "no_death",
        holds={
            "nobody died": (CONTROL, "no attempt died"),
            "no replica died": (control(replicas=3), "no attempt died"),
            "an old revision's end is none of the app's": (
                changed(without_replicas(2, 3), "process.exited", replica=4, requested=False),
                "no attempt died",
            ),
        },
        refuted={
            "somebody died": (REPRODUCTION, "attempt 1 ended with exit 3"),
            "one replica died": (SLOTS, "attempt 1 of replica 2 ended with exit 3"),
        },
        saw_nothing={
            "one replica was never started": (
                without(control(replicas=3), "process.started", "process.exited", replica=2),
                "no attempt of replica 2 was started",
            ),
            "nobody lived": (
                without(CONTROL, "process.started", "process.exited"),
                "no attempt was started",
            ),
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()


def test_a_boot_id_that_two_replicas_share_is_not_said_of_a_third() -> None:
    shared = f"{pid(2, 2):032x}"
    trace = changed(THREE, "startup.started", attempt=1, replica=3, boot_id=shared)

    each = restart_loop(trace, restarts=3)
    some = restart_loop(trace, restarts=3, replicas="some")

    assert each.says.startswith("the logs of attempt 2 of replica 2 and attempt 1 of replica 3")
    assert some.says.startswith("in replica 1, the platform")


def test_a_replica_is_named_where_only_a_longer_number_is() -> None:
    trace = with_scenario(CONTROL, replicas={"count": 2})
    about = {1: holds("replica 12 took over", ()), 2: saw_nothing("")}
    assert (
        for_replicas(trace, "some", about.__getitem__).says == "in replica 1, replica 12 took over"
    )
