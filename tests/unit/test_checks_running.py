"""Checks of what a phase did while it ran: cut short by a death, or failed without waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import changed, inserted, moved, one, with_a_second_worker, without
from crashloop_outages import KILLED, SLOTS, killed_while_retrying, slots_exhausted
from crashloop_traces import CONTROL, REPRODUCTION

if TYPE_CHECKING:
    from crashloop.trace.event import Trace

RUNNING = {"phase": "database", "times": 2}
AT_ONCE = {"phase": "database"}
SOME = {"replicas": "some"}


def started() -> Trace:
    """Lives that died after their start-up was complete."""
    trace = REPRODUCTION
    for attempt in (1, 2, 3):
        failed = one(trace, "startup.failed", attempt)
        trace = inserted(trace, failed, "app", "startup.completed", attempt=attempt)
    return without(trace, "startup.failed")


STARTED = started()


def told_after_the_start() -> Trace:
    """A probe killed two lives, the first of which had started."""
    begun = one(KILLED, "phase.started", 1, "database")
    return inserted(KILLED, begun, "app", "startup.completed", attempt=1)


def one_worker_failed() -> Trace:
    """Two workers run in the first life that is killed; the phase of the second has failed."""
    trace = with_a_second_worker(KILLED)
    begun = trace.of("phase.started", phase="database")[1]
    return inserted(trace, begun, "app", "phase.failed", attempt=1, **begun.data)


CASES = [
    *cases(
        "phase_running_at_death",
        params=RUNNING,
        holds={
            "the phase was running at each kill": (
                KILLED,
                "2 attempts died while phase database was running",
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
                "2 attempts died",
            ),
            "it was running in one of two workers": (
                one_worker_failed(),
                "2 attempts died while phase database was running",
            ),
            "a death that nobody saw the reason of": (
                without(KILLED, "process.killed", "probe.failed"),
                "2 attempts died",
            ),
        },
        refuted={
            "the phase had failed before": (
                REPRODUCTION,
                "phase database of attempt 1 had failed before it died",
            ),
            "one death more": (
                killed_while_retrying(kills=3),
                "3 attempts died while phase database was running, not 2",
            ),
            "one death less": (
                killed_while_retrying(kills=1),
                "1 attempt died while phase database was running, not 2",
            ),
            "the phase had not begun": (
                without(KILLED, "phase.started", phase="database", attempt=1),
                "attempt 1 died before phase database began",
            ),
            "nobody died": (CONTROL, "no attempt died on its own"),
        },
        saw_nothing={
            "an attempt that logs no phase": (
                without(KILLED, "phase.started", attempt=2),
                "attempt 2 logged no phase, so nothing says what it did",
            )
        },
    ),
    *cases(
        "phase_running_at_death",
        params={**RUNNING, **SOME},
        holds={"more deaths than asked for": (killed_while_retrying(kills=3), "3 attempts died")},
    ),
    *cases(
        "died_after_startup",
        params={"times": 3},
        holds={"each had completed it": (STARTED, "3 attempts died after start-up was complete")},
        refuted={
            "one had not": (
                without(STARTED, "startup.completed", attempt=2),
                "attempt 2 died before its start-up was complete",
            ),
            "nobody died": (CONTROL, "no attempt died on its own"),
        },
        saw_nothing={
            "an attempt that logs nothing of it": (
                without(STARTED, "startup.completed", "startup.started", attempt=2),
                "attempt 2 logged nothing of its start-up",
            )
        },
    ),
    *cases(
        "died_after_startup",
        params={"times": 2},
        refuted={"one death more": (STARTED, "3 attempts died after start-up was complete, not 2")},
    ),
    *cases(
        "told_to_stop",
        params={"while_starting": True, "times": 2},
        holds={"each came in a phase": (KILLED, "2 attempts were told to stop while starting")},
        refuted={
            "one came after the start": (
                told_after_the_start(),
                "attempt 1 was told to stop after its start",
            ),
            "they died on their own": (REPRODUCTION, "attempt 1 died without having been told"),
            "nobody died": (CONTROL, "no attempt died on its own"),
        },
        saw_nothing={
            "nobody had died when the trace was cut off": (
                without(CONTROL, "run.finished"),
                "no attempt died on its own, as far as the trace goes",
            )
        },
    ),
    *cases(
        "told_to_stop",
        params={"while_starting": False, "times": 2},
        refuted={"it came in a phase": (KILLED, "attempt 1 was told to stop while it started")},
    ),
    *cases(
        "told_to_stop",
        params={"while_starting": True, "times": 1},
        refuted={"one death more": (KILLED, "2 attempts were told to stop while starting, not 1")},
    ),
    *cases(
        "fails_at_once",
        params={**AT_ONCE, **SOME},
        holds={
            "each failure came at once": (
                SLOTS,
                "in replica 2, phase database failed at once, after 30 ms here",
            )
        },
        refuted={
            "one failure of one replica came late": (
                changed(
                    moved(SLOTS, "phase.started", -3.0, phase="database", replica=3, attempt=2),
                    "phase.failed",
                    replica=3,
                    attempt=2,
                    duration_s=3.0,
                ),
                "attempt 2 of replica 3 failed after 75% of its limit, over 25%",
            ),
            "failures at the limit": (
                REPRODUCTION,
                "phase database of attempt 1 failed after 100% of its limit, over 25%",
            ),
        },
        saw_nothing={
            "no failure": (CONTROL, "phase database never failed"),
            "a failure without a limit": (
                changed(SLOTS, "phase.failed", replica=2, attempt=1, limit_s=None),
                "attempt 1 of replica 2 does not say how much of its limit it took",
            ),
        },
    ),
    *cases(
        "fails_at_once",
        params=AT_ONCE,
        saw_nothing={
            "one replica in which it never failed": (
                slots_exhausted(deaths=2),
                "in replica 1, phase database never failed",
            )
        },
    ),
    *cases(
        "fails_at_once",
        params={**AT_ONCE, **SOME, "within_share": 0.001},
        refuted={"a share may be small": (SLOTS, "of its limit, over 0%")},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()
