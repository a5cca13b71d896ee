"""The check of what state a server was in, as it showed itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import inserted, one, sealed
from crashloop_traces import CONTROL, REPRODUCTION, TARGET, make_event

if TYPE_CHECKING:
    from crashloop.trace.event import Trace


def showed(*kinds: str, source: str = "database", target: str = TARGET) -> Trace:
    """The outage, in which a server has shown these events."""
    events = [
        make_event(seq=0, mono_ns=0, source=source, kind=kind, attempt=None, data={}, target=target)
        for kind in kinds
    ]
    return sealed(REPRODUCTION, [*REPRODUCTION.events, *events])


def waited_in(*attempts: int) -> Trace:
    """The outage, in which a session waited for a lock during the phase of these attempts."""
    trace = REPRODUCTION
    for attempt in attempts:
        begun = one(trace, "phase.started", attempt, "database")
        trace = inserted(trace, begun, "database", "database.lock_waiting", target=TARGET)
    return trace


CASES = [
    *cases(
        "server_showed",
        params={
            "target": TARGET,
            "event": "database.recovering",
            "others": ["database.starting", "process.stopped"],
        },
        holds={
            "it recovered": (
                showed("database.recovering"),
                "postgres showed database.recovering: 1",
            ),
        },
        refuted={
            "it was a standby": (
                showed("database.starting"),
                "showed database.starting, not database.recovering",
            ),
            "it was also stopped": (
                showed("database.recovering", "process.stopped"),
                "showed process.stopped",
            ),
        },
        saw_nothing={
            "it showed nothing": (REPRODUCTION, "postgres never showed database.recovering"),
            "another server recovered": (
                showed("database.recovering", target="other"),
                "never showed",
            ),
            "only the app says so": (showed("database.recovering", source="app"), "never showed"),
        },
    ),
    *cases(
        "server_showed",
        params={
            "target": TARGET,
            "event": "database.lock_waiting",
            "others": [],
            "phase": "database",
        },
        holds={
            "it showed it in each phase that failed": (
                waited_in(1, 2, 3),
                "postgres showed database.lock_waiting: 3 events",
            ),
        },
        refuted={
            "a phase failed without it": (
                waited_in(1, 3),
                "attempt 2: postgres did not show database.lock_waiting during its phase database",
            ),
        },
        saw_nothing={
            "it showed nothing": (CONTROL, "postgres never showed database.lock_waiting"),
            "no phase failed in which it could show it": (
                inserted(
                    CONTROL,
                    one(CONTROL, "phase.started", 1, "database"),
                    "database",
                    "database.lock_waiting",
                    target=TARGET,
                ),
                "phase database never failed",
            ),
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_server_shows_one_state(case: Case) -> None:
    case.run()
