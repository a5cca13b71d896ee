"""The check of what state a server was in, as it showed itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import sealed
from crashloop_traces import REPRODUCTION, TARGET, make_event

if TYPE_CHECKING:
    from crashloop.trace.event import Trace


def showed(*kinds: str, source: str = "database", target: str = TARGET) -> Trace:
    """The outage, in which a server has shown these events."""
    events = [
        make_event(seq=0, mono_ns=0, source=source, kind=kind, attempt=None, data={}, target=target)
        for kind in kinds
    ]
    return sealed(REPRODUCTION, [*REPRODUCTION.events, *events])


CASES = cases(
    "server_showed",
    params={
        "target": TARGET,
        "event": "database.recovering",
        "others": ["database.starting", "process.stopped"],
    },
    holds={
        "it recovered": (showed("database.recovering"), "postgres showed database.recovering: 1"),
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
        "another server recovered": (showed("database.recovering", target="other"), "never showed"),
        "only the app says so": (showed("database.recovering", source="app"), "never showed"),
    },
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_server_shows_one_state(case: Case) -> None:
    case.run()
