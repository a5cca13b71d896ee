"""The failure pattern in log entries, without the trace that they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from crashloop_edits import changed, died_in_dependencies, without
from crashloop_traces import CONTROL, NAME_ERROR, REPRODUCTION
from failure_pattern import failure_pattern

from crashloop.cloud_logging import log_entries
from crashloop.incidents.issue_1278 import TIME_OUTS_AND_CONNECTION_ERRORS

if TYPE_CHECKING:
    from crashloop.trace.event import Trace

CANCELED = [{"type": "psycopg.errors.QueryCanceled", "sqlstate": "57014", "errno": None}]


def failures(**data: Any) -> Trace:
    return changed(REPRODUCTION, "phase.failed", attempt=2, **data)


@pytest.mark.parametrize(
    ("trace", "holds", "says"),
    [
        (REPRODUCTION, True, "phase database failed 3 times at its limit"),
        (failures(duration_s=None), True, "phase database failed 3 times at its limit"),
        (failures(limit_s=None), None, "names no limit"),
        (failures(error=None), None, "names no error"),
        (
            failures(error=CANCELED),
            False,
            "QueryCanceled [57014], which is none of the expected errors",
        ),
        (failures(error=NAME_ERROR), False, "NameError, which is none of the expected errors"),
        (failures(duration_s=0.1), False, "it ended early"),
        (changed(REPRODUCTION, "process.exited", attempt=3, exit_code=1), False, "exit 1"),
        (without(REPRODUCTION, "phase.failed", "phase.started"), False, "not in database"),
        (died_in_dependencies(), False, "phase dependencies (NameError), not in database"),
        (CONTROL, False, "never failed; in attempt 1 it completed"),
    ],
)
def test_the_pattern_is_found_or_the_difference_is_named(
    trace: Trace, *, holds: bool | None, says: str
) -> None:
    entries = log_entries(trace)
    result = failure_pattern(
        entries, phase="database", code=3, times=3, errors=TIME_OUTS_AND_CONNECTION_ERRORS
    )
    assert result.holds is holds, result.says
    assert says in result.says
    assert set(result.evidence) <= set(range(len(entries)))
