"""Checks of how attempts ended, what ended them, and whether the platform restarted them."""

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import changed, inserted, moved, one, sealed, with_scenario, without
from crashloop_outages import KILLED, SLOTS, killed_while_retrying, slots_exhausted
from crashloop_traces import CONTROL, REPRODUCTION, control, pid, reproduction

from crashloop.checks.exits import restart_loop
from crashloop.checks.lives import for_replicas
from crashloop.checks.result import holds, saw_nothing
from crashloop.trace.event import Trace

THREE = reproduction(replicas=3)
SOME = {"replicas": "some"}
STARTUP = {"probe": "startup", "times": 2}


def without_replicas(*numbers: int) -> Trace:
    """The exhausted slots, as if the scenario had only the others."""
    left = [e for e in SLOTS.events if e.replica not in numbers]
    return with_scenario(sealed(SLOTS, left), replicas={"count": 1, "overlap": 1})


CASES = [
    *cases(
        "exit_code",
        params={"code": 3, "times": 3},
        holds={
            "three deaths with 3": (REPRODUCTION, "3 attempts died with exit 3"),
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
            "so is what Docker says of it": (
                changed(KILLED, "process.exited", attempt=1, exit_code=137, signal=None),
                "2 attempts died with exit 137",
            ),
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
        "killed_by_probe",
        params=STARTUP,
        holds={
            "its start-up probe had the app killed twice": (
                KILLED,
                "the start-up probe ended 2 attempts",
            ),
            "the app may end at SIGTERM": (
                changed(KILLED, "process.exited", attempt=2, signal="SIGTERM"),
                "the start-up probe ended 2 attempts",
            ),
            "a failure that the kill itself caused is none before it": (
                inserted(
                    KILLED,
                    one(KILLED, "process.killed", 2),
                    "app",
                    "phase.failed",
                    attempt=2,
                    phase="database",
                ),
                "the start-up probe ended 2 attempts",
            ),
        },
        refuted={
            "one kill more": (
                killed_while_retrying(kills=3),
                "the start-up probe ended 3 attempts, not 2",
            ),
            "one kill less": (
                killed_while_retrying(kills=1),
                "the start-up probe ended 1 attempt, not 2",
            ),
            "a death without a kill": (
                without(KILLED, "process.killed", attempt=2),
                "attempt 2 ended with signal SIGKILL, and no start-up probe killed it",
            ),
            "a kill for another probe": (
                changed(KILLED, "process.killed", by="liveness probe"),
                "no start-up probe killed it",
            ),
            "an app that had given up itself": (
                inserted(
                    KILLED,
                    one(KILLED, "probe.failed", 1),
                    "app",
                    "phase.failed",
                    attempt=1,
                    phase="database",
                ),
                "attempt 1 had failed in phase database before it was killed",
            ),
            "an app that ended with a code of its own": (
                changed(KILLED, "process.exited", attempt=1, exit_code=3, signal=None),
                "attempt 1 was killed for its start-up probe, yet ended with exit 3",
            ),
            "an app that nobody killed": (
                without(KILLED, "process.exited", "process.killed"),
                "no attempt died on its own",
            ),
        },
        saw_nothing={
            "a platform without a probe": (REPRODUCTION, "the platform had no probe"),
            "a kill without a failed probe": (
                without(KILLED, "probe.failed", attempt=1),
                "which is not recorded to have failed",
            ),
            "a failed probe that the app itself logs is none": (
                inserted(
                    without(KILLED, "probe.failed", attempt=1),
                    one(KILLED, "phase.started", 1, "database"),
                    "app",
                    "probe.failed",
                    attempt=1,
                    probe="startup",
                ),
                "which is not recorded to have failed",
            ),
        },
    ),
    *cases(
        "killed_by_probe",
        params={**STARTUP, **SOME},
        holds={
            "more kills than asked for": (
                killed_while_retrying(kills=3),
                "the start-up probe ended 3 attempts",
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
