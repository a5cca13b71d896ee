"""What the platform's probes say of the lives that died, and whether one ended them."""

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import changed, ended, inserted, moved, one, sealed, with_header, without
from crashloop_outages import KILLED, killed_while_retrying
from crashloop_traces import REPRODUCTION

from crashloop.trace.event import Trace

STARTUP = {"probe": "startup", "times": 2}
SOME = {"replicas": "some"}
ANOTHER = "attempt 2 was killed by somebody else than the platform: signal SIG"
OF_THE_PROBE = ("probe.result", "probe.failed", "process.killed")


FIRST = one(KILLED, "probe.result")
LAST_KILL = [e for e in KILLED.events if e.kind == "process.killed"][-1]
AGE_S = (one(KILLED, "process.killed", 1).mono_ns - one(KILLED, "process.started", 1).mono_ns) / 1e9
WITH_SIGTERM_ONLY = sealed(KILLED, [e for e in KILLED.events if e is not LAST_KILL])


def passing() -> Trace:
    """The start-up probe passes in each attempt that is killed later."""
    trace = KILLED
    for attempt in (1, 2):
        begun = one(trace, "phase.started", attempt, "database")
        trace = inserted(
            trace, begun, "supervisor", "probe.passed", attempt=attempt, probe="startup"
        )
    return trace


PASSED = passing()

CASES = [
    *cases(
        "killed_at_same_age",
        params={"probe": "startup"},
        holds={
            "both were as old": (KILLED, "the start-up probe killed 2 attempts at the age of "),
            "a probe may be a little late": (
                moved(KILLED, "process.started", -AGE_S / 10, attempt=2),
                "the start-up probe killed 2 attempts",
            ),
        },
        refuted={
            "one was half as old again": (
                moved(KILLED, "process.started", -AGE_S / 2, attempt=2),
                "s, which is not the same",
            ),
            "one was killed for another probe": (
                changed(KILLED, "process.killed", attempt=2, by="liveness probe"),
                "no start-up probe killed attempt 2",
            ),
            "they died on their own": (REPRODUCTION, "no start-up probe killed attempt 1"),
            "one alone has no other to be as old as": (
                killed_while_retrying(kills=1),
                "1 attempt died, so nothing says whether the age is the same",
            ),
        },
        saw_nothing={
            "somebody else killed one": (without(KILLED, "process.killed", attempt=2), ANOTHER),
            "nobody saw one start": (
                without(KILLED, "process.started", attempt=2),
                "nothing says when each attempt was started",
            ),
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
            "Docker says 137 of an end by SIGKILL": (
                with_header(ended(KILLED, 2, 137), engine={"name": "docker"}),
                "the start-up probe ended 2 attempts",
            ),
            "an app that handles SIGTERM may exit with 143": (
                ended(KILLED, 2, 143),
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
                ended(without(KILLED, "process.killed", attempt=2), 2, 3),
                "attempt 2 ended with exit 3, and no start-up probe killed it",
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
            "a platform without a probe": (REPRODUCTION, "the platform had no start-up probe"),
            "an app that nobody killed": (
                without(KILLED, "process.exited", "process.killed"),
                "no attempt died on its own",
            ),
        },
        saw_nothing={
            "a SIGKILL that nobody sent": (without(KILLED, "process.killed", attempt=2), ANOTHER),
            "a SIGKILL within the grace period that the platform did not send": (
                WITH_SIGTERM_ONLY,
                ANOTHER,
            ),
            "a 137 of Docker that the platform did not cause": (
                with_header(ended(WITH_SIGTERM_ONLY, 2, 137), engine={"name": "docker"}),
                "attempt 2 was killed by somebody else than the platform: exit 137",
            ),
            "a probe that is planned and never executed": (
                ended(without(KILLED, *OF_THE_PROBE), 2, 3),
                "the start-up probe was never executed in an attempt that died",
            ),
            "a failed probe with one failure too few": (
                sealed(KILLED, [e for e in KILLED.events if e is not FIRST]),
                "attempt 1 was killed for its start-up probe, which had failed 29 of the last 30",
            ),
            "a failed probe that had passed meanwhile": (
                changed(KILLED, "probe.result", attempt=2, ok=True),
                "attempt 2 was killed for its start-up probe, which had failed 0 of the last 30",
            ),
            "failures after the kill": (
                moved(KILLED, "probe.result", 1.0, attempt=1),
                "which had failed 0 of the last 30",
            ),
            "a kill for a probe that was never executed": (
                without(KILLED, "probe.result", "probe.failed"),
                "attempt 1 was killed for its start-up probe, which is not recorded to have failed",
            ),
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
        "probe_passed",
        params={"probe": "startup", "passed": True},
        holds={
            "it had passed in each attempt that died": (
                PASSED,
                "the start-up probe of 2 attempts had passed before they died",
            )
        },
        refuted={
            "it had passed in one of them": (
                without(PASSED, "probe.passed", attempt=2),
                "the start-up probe of attempt 2 had not passed before it died",
            ),
            "another probe had passed": (
                changed(PASSED, "probe.passed", probe="liveness"),
                "the start-up probe of attempt 1 had not passed",
            ),
            "a probe that the app itself says has passed": (
                inserted(
                    without(PASSED, "probe.passed", attempt=2),
                    one(PASSED, "phase.started", 2),
                    "app",
                    "probe.passed",
                    attempt=2,
                    probe="startup",
                ),
                "the start-up probe of attempt 2 had not passed",
            ),
            "a platform without a probe": (REPRODUCTION, "the platform had no start-up probe"),
            "nobody died": (without(PASSED, "process.exited"), "no attempt died on its own"),
        },
        saw_nothing={
            "a probe that nobody planned": (
                without(PASSED, "probe.planned"),
                "not recorded to have been planned",
            )
        },
    ),
    *cases(
        "probe_passed",
        params={"probe": "startup", "passed": False},
        holds={
            "it had passed in none": (
                KILLED,
                "the start-up probe of 2 attempts had not passed before they died",
            )
        },
        refuted={
            "it had passed in one": (
                without(PASSED, "probe.passed", attempt=1),
                "the start-up probe of attempt 2 had passed before it died",
            )
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()
