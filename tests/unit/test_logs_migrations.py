"""The steps of migrations among an app's lines."""

from __future__ import annotations

import pytest

from crashloop.logs.migrations import migration_event
from crashloop.logs.worth import is_of_use

ALEMBIC = "INFO  [alembic.runtime.migration] Running upgrade"


@pytest.mark.parametrize(
    "line",
    [
        f"{ALEMBIC}  -> 8b0de47a5c21, first tables",
        f"{ALEMBIC} 3f1c2a9b7d10 -> 8b0de47a5c21",
        f"{ALEMBIC} 3f1c2a9b7d10, 91be -> 8b0de47a5c21, two heads become one",
        "  Applying auth.0001_initial...",
    ],
)
def test_a_step_that_begins_is_told(line: str) -> None:
    event = migration_event(line, 5)
    assert event is not None
    assert event.at_ns == 5
    assert is_of_use(line)


@pytest.mark.parametrize(
    "line",
    [
        "INFO  [alembic.runtime.migration] Context impl PostgresqlImpl.",
        "  Applying auth.0001_initial... OK",
        "Running on http://127.0.0.1:5000",
    ],
)
def test_another_line_or_a_step_that_is_done_is_none(line: str) -> None:
    assert migration_event(line, 5) is None
