"""What a failed expectation shows of its run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from crashloop_edits import changed, inserted
from crashloop_traces import SEED, control, reproduction

from crashloop.incidents import incident
from crashloop.judge import judge
from crashloop.model import Life
from crashloop.run import Run
from crashloop.testing import HARNESS_ERROR, REPRODUCED, LabRun, VerdictMismatch

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.model import Verdict
    from crashloop.trace.event import Trace


def mismatch(trace: Trace, folder: Path, *, expected: Verdict = HARNESS_ERROR) -> str:
    """The text of a run that was expected to end otherwise."""
    scenario = incident("issue-1278").scenario()
    run = Run(
        scenario=scenario,
        trace=trace,
        judgement=judge(trace),
        artifacts=folder,
        seed=SEED,
        command="crashloop reproduce issue-1278",
    )
    with pytest.raises(VerdictMismatch) as failure:
        LabRun(run, again="pytest").expect(expected)
    return str(failure.value)


def saying(trace: Trace, text: str) -> Trace:
    """The trace of an app whose first attempt said `text`."""
    last = trace.of("startup.started", life=Life(1, 1))[0]
    return inserted(trace, last, "app", "app.output", attempt=1, text=text)


def test_the_last_lines_of_an_app_that_died_are_shown(tmp_path: Path) -> None:
    died = saying(reproduction(deaths=1), "booting\nKeyError: \x1b[1m'DATABASE_URL'")

    shown = mismatch(died, tmp_path).splitlines()

    head = shown.index("Last lines of attempt 1  (attempt-1.log)")
    assert shown[head + 1 : head + 3] == ["  booting", "  KeyError: 'DATABASE_URL'"]


@pytest.mark.parametrize("trace", [control(), reproduction()])
def test_an_app_that_became_ready_or_a_plain_reproduction_is_not_quoted(
    tmp_path: Path, trace: Trace
) -> None:
    assert "Last lines" not in mismatch(saying(trace, "booting"), tmp_path)


@pytest.mark.parametrize("harness_broke", [False, True])
def test_what_the_app_logs_is_shown_without_escapes(tmp_path: Path, harness_broke: bool) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\u202e"
    trace = changed(reproduction(), "phase.failed", error=[{"type": evil}])
    if harness_broke:
        broke, said = trace.events[-2], f"KeyError: {evil}"
        trace = inserted(trace, broke, "harness", "harness.failed", message=said, hint=evil)
    assert any(evil in finding.says for finding in judge(trace).findings)

    shown = mismatch(trace, tmp_path, expected=REPRODUCED)

    assert not {"\x1b", "\x07", "\u202e"} & set(shown)
