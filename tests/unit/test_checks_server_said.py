"""Checks of what the server itself says: whom it refused, and what the old revision held."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import changed, inserted, moved, one, sealed, without
from crashloop_outages import KILLED, SLOTS, client_of
from crashloop_traces import NAME_ERROR, TARGET, control

from crashloop.judge import judge
from crashloop.model import Verdict

if TYPE_CHECKING:
    from crashloop.trace.event import Trace

OF_NOBODY = changed(SLOTS, "database.error", client=None)


def said_to(trace: Trace, attempt: int, replica: int, **data: Any) -> Trace:
    """The trace with other data in what Postgres said to one attempt; without it if none."""
    client = client_of(attempt, replica)
    events = []
    for event in trace.events:
        if event.data.get("client") != client:
            events.append(event)
        elif data:
            events.append(replace(event, data={**event.data, **data}))
    return sealed(trace, events)


def of_the_app() -> Trace:
    """The app logs the errors that Postgres would log."""
    return sealed(
        SLOTS,
        [replace(e, source="app") if e.kind == "database.error" else e for e in SLOTS.events],
    )


def held(*counts: int) -> Trace:
    """The trace with these counts of the old revision's sessions, and no others."""
    left = list(counts)
    events = []
    for event in SLOTS.events:
        if event.kind != "revision.overlapping":
            events.append(event)
        elif left:
            events.append(replace(event, data={"sessions": {TARGET: left.pop(0)}}))
    return sealed(SLOTS, events)


REFUSED_LOGIN = changed(SLOTS, "database.error", sqlstate="28P01")
NO_ROLE = sealed(
    REFUSED_LOGIN,
    [
        replace(e, kind="database.role_unknown") if e.kind == "database.error" else e
        for e in REFUSED_LOGIN.events
    ],
)
LOGIN = {"target": TARGET, "phase": "database"}


def told_an_error(after: str, attempt: int) -> Trace:
    """Postgres tells somebody an error after this event of an attempt that a probe has killed."""
    event = one(KILLED, after, attempt)
    data: dict[str, Any] = {"sqlstate": "57014", "severity": "ERROR"}
    return inserted(KILLED, event, "database", "database.error", target=TARGET, **data)


CASES = [
    *cases(
        "server_said_no_error",
        params=LOGIN,
        holds={
            "it said nothing to those that were killed": (
                KILLED,
                "postgres itself said no error to 2 attempts",
            ),
            "what it says after a kill does not count": (
                told_an_error("process.killed", 2),
                "postgres itself said no error to 2 attempts",
            ),
            "what has no SQLSTATE is no error": (
                changed(SLOTS, "database.error", sqlstate=None),
                "postgres itself said no error to 6 attempts",
            ),
        },
        refuted={
            "it told somebody an error meanwhile": (
                told_an_error("database.retry_failed", 2),
                "postgres itself said 57014 to attempt 2 during its phase database",
            ),
            "it refused each of them": (
                SLOTS,
                "postgres itself said 53300 to attempt 1 of replica 2 during its phase database",
            ),
        },
        saw_nothing={
            "the phase never failed": (control(), "phase database never failed"),
            "nobody heard anything of the server": (
                without(KILLED, "database.backends", "journey.step"),
                "postgres itself was never heard of",
            ),
        },
    ),
    *cases(
        "role_was_unknown",
        params={**LOGIN, "unknown": True},
        holds={
            "Postgres' own log says that the role does not exist": (
                NO_ROLE,
                "postgres itself refused the login of 6 attempts, whose role does not exist",
            ),
        },
        refuted={
            "Postgres knows the role and not the password": (
                REFUSED_LOGIN,
                "postgres itself says that the role of attempt 1 of replica 2 exists",
            ),
        },
        saw_nothing={
            "Postgres refused something else": (
                SLOTS,
                "postgres itself did not refuse the login of",
            ),
            "the phase never failed": (control(), "phase database never failed"),
        },
    ),
    *cases(
        "role_was_unknown",
        params={**LOGIN, "unknown": False},
        holds={
            "Postgres knows the role and not the password": (
                REFUSED_LOGIN,
                "postgres itself refused the login of 6 attempts, whose role exists",
            ),
        },
        refuted={
            "Postgres' own log says that the role does not exist": (
                NO_ROLE,
                "postgres itself says that the role of attempt 1 of replica 2 does not exist",
            ),
        },
    ),
    *cases(
        "server_said",
        params={
            "target": TARGET,
            "errors": ["53300"],
            "phase": "database",
            "replicas": "some",
        },
        holds={
            "Postgres refused each attempt that failed": (
                SLOTS,
                "in replica 2, postgres itself said 53300 to 3 attempts",
            ),
            "Postgres said so to nobody in particular, as it does on Docker": (
                OF_NOBODY,
                "postgres itself said 53300 to 3 attempts",
            ),
        },
        saw_nothing={
            "only the app says so": (
                without(SLOTS, "database.error"),
                "attempt 1 of replica 2 failed in phase database, and postgres itself did not say",
            ),
            "the app logs what Postgres would": (of_the_app(), "did not say 53300 to it"),
            "one of the attempts was not refused": (
                said_to(SLOTS, 3, 3),
                "attempt 3 of replica 3 failed in phase database, and postgres itself did not say",
            ),
            "Postgres refused one for another reason": (
                said_to(SLOTS, 2, 2, sqlstate="28P01"),
                "attempt 2 of replica 2 failed",
            ),
            "Postgres refused another attempt instead": (
                said_to(SLOTS, 2, 2, client=client_of(1, 2)),
                "attempt 2 of replica 2 failed",
            ),
            "another server said it": (
                sealed(
                    SLOTS,
                    [
                        replace(e, target="redis") if e.kind == "database.error" else e
                        for e in SLOTS.events
                    ],
                ),
                "postgres itself did not say 53300",
            ),
            "Postgres refused nobody in particular, and one failed otherwise": (
                changed(OF_NOBODY, "phase.failed", replica=3, error=NAME_ERROR),
                "attempt 1 of replica 3 failed",
            ),
            "Postgres refused nobody in particular at another time": (
                moved(OF_NOBODY, "phase.started", 0.02, phase="database", replica=3),
                "attempt 1 of replica 3 failed",
            ),
            "no attempt failed": (
                without(SLOTS, "phase.failed"),
                "phase database never failed, so postgres had nothing to say",
            ),
        },
    ),
    *cases(
        "old_revision_held",
        params={"target": TARGET, "sessions": 36},
        holds={
            "the old revision held its pool all the time": (
                SLOTS,
                "the old revision held 36 sessions of postgres at least, from its start to its end",
            ),
        },
        refuted={
            "one leaked session is no overlap": (
                held(1, 1),
                "the old revision held 1 session of postgres, not 36",
            ),
            "an old revision that lets go of its pool is no overlap": (
                held(36, 0),
                "held 0 sessions of postgres, not 36",
            ),
            "sessions of another server are none of this": (
                changed(SLOTS, "revision.overlapping", sessions={"redis": 36}),
                "held 0 sessions of postgres, not 36",
            ),
        },
        saw_nothing={
            "nobody counts again": (
                held(36),
                "nobody counted again what the old revision held before it was ended",
            ),
            "nobody counts": (held(), "nobody counted what the old revision held"),
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says(case: Case) -> None:
    case.run()


def test_slots_that_only_the_app_says_are_exhausted_are_no_incident() -> None:
    assert judge(SLOTS).verdict is Verdict.REPRODUCED
    assert judge(without(SLOTS, "database.error")).verdict is Verdict.INCONCLUSIVE
