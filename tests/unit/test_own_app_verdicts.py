"""Whole runs of the user's own app: the verdict about the incident, and the outcome beside it."""

import pytest
from crashloop_edits import changed, sealed
from crashloop_own_apps import (
    HELD,
    REFUSED,
    SHOP,
    WITHOUT_JOURNEY,
    OwnAppRun,
    black_hole,
    delayed,
    gave_up,
    held,
    hung,
    killed,
    lazy,
    never_started,
    refused,
    scenario,
    slots_exhausted,
    untouched,
)
from crashloop_traces import DATABASE

from crashloop.judge import judge
from crashloop.model import Outcome, Verdict
from crashloop.outcome import fate_of
from crashloop.trace.event import Trace

REPRODUCED, NOT_REPRODUCED = Verdict.REPRODUCED, Verdict.NOT_REPRODUCED
SURVIVED, RECOVERED, NOT_RECOVERED = Outcome.SURVIVED, Outcome.RECOVERED, Outcome.NOT_RECOVERED

RUNS = {
    "held at its limit": (HELD, REPRODUCED, RECOVERED),
    "held, with retries and waits of its own": (held(tries=5), REPRODUCED, RECOVERED),
    "held, in two replicas": (held(replicas=2), REPRODUCED, RECOVERED),
    "held, without a journey": (held(app=WITHOUT_JOURNEY), REPRODUCED, RECOVERED),
    "dropped SYNs": (black_hole(), REPRODUCED, RECOVERED),
    "killed by its probe": (killed(), REPRODUCED, RECOVERED),
    "no slot": (slots_exhausted(), REPRODUCED, RECOVERED),
    "held, once too seldom": (held(deaths=2), NOT_REPRODUCED, RECOVERED),
    "refused": (REFUSED, NOT_REPRODUCED, RECOVERED),
    "refused over a Unix socket": (refused(path=DATABASE), NOT_REPRODUCED, RECOVERED),
    "slow": (delayed(), NOT_REPRODUCED, SURVIVED),
    "opened at the first request": (lazy(), NOT_REPRODUCED, RECOVERED),
    "hung until the heal": (hung(), NOT_REPRODUCED, RECOVERED),
    "hung for ever": (hung(recovers=False), NOT_REPRODUCED, NOT_RECOVERED),
    "given up by its platform": (gave_up(), NOT_REPRODUCED, NOT_RECOVERED),
    "never touched": (untouched(), Verdict.INCONCLUSIVE, Outcome.INCONCLUSIVE),
    "never started": (
        never_started("died", "it exited with 1"),
        Verdict.INCONCLUSIVE,
        Outcome.NEVER_STARTED,
    ),
}


@pytest.mark.parametrize(("trace", "verdict", "outcome"), RUNS.values(), ids=RUNS)
def test_the_verdict_and_the_outcome_of_a_run(
    trace: Trace, verdict: Verdict, outcome: Outcome
) -> None:
    judgement, fate = judge(trace), fate_of(trace)
    assert fate is not None
    assert judgement.verdict is verdict, judgement.reason
    assert fate.outcome is outcome, fate.why


def test_a_run_of_an_app_that_logs_nothing_needs_no_line_of_it() -> None:
    for trace in (HELD, held(tries=5), black_hole(), lazy(), hung(), gave_up()):
        silent = sealed(trace, [e for e in trace.events if e.source != "app"])
        assert silent == trace


def test_a_run_whose_app_never_started_says_nothing_of_the_incident() -> None:
    judgement = judge(never_started("died", "it exited with 1 before it was ready"))
    assert judgement.reason == (
        "without a fault, it exited with 1 before it was ready (control_passed)"
    )
    refuted = [each for each in judgement.findings if each.holds is False]
    assert not refuted


def busy(*, end_s: float) -> Trace:
    """At time scale 20, two lives that each need so long to end; then the heal comes by time."""
    run = OwnAppRun(scenario(limit_s=20.0), scale=20.0)
    run.begin()
    for attempt in (1, 2):
        run.starts(attempt)
        run.held(attempt)
        run.wait(end_s)
        run.dies(attempt)
    trace = run.recovers(3)
    return changed(trace, "fault.healed", trigger="90 s after process.started")


def test_a_machine_that_is_too_busy_for_the_scale_is_named_where_deaths_are_missing() -> None:
    slow, fast = judge(busy(end_s=1.0)), judge(busy(end_s=0.0))
    assert (slow.verdict, fast.verdict) == (NOT_REPRODUCED, NOT_REPRODUCED)
    assert "time scale 20 is too large here: under the fault, starts slower than" in slow.reason
    assert "time scale" not in fast.reason


def test_what_killed_an_app_is_in_its_exit_codes() -> None:
    fate = fate_of(killed())
    assert fate is not None
    assert (fate.deaths, fate.exit_codes) == (2, (137, 137))
    assert SHOP.exit_codes == ()
