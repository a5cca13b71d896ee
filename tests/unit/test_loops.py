"""What starts and deaths amount to: a restart loop, or something that only looks like one."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from crashloop_edits import changed, inserted, one, sealed, with_header, with_scenario, without
from crashloop_own_apps import HELD, OwnAppRun, black_hole, delayed, held, never_started, scenario
from crashloop_traces import CONTROL, REPRODUCTION, SCALE, TARGET, reproduction

from crashloop.checks.hidden import LIVED_ON_S
from crashloop.clock import NS_PER_S
from crashloop.loops import loops_of
from crashloop.loops.cycle import STARTS_OVER
from crashloop.loops.pattern import MIN_DEATHS
from crashloop.model import Pattern, ReplicaLoop
from crashloop.platforms import PLATFORMS, parse_platform, step_of
from crashloop.platforms.base import Exit, State
from crashloop.trace.event import DEADLINE_PASSED, NOT_BACK_IN_TIME, PLATFORM_GAVE_UP, Trace
from crashloop.trace.reader import parse_trace

RECORDED = Path(__file__).parents[2] / "fixtures" / "recorded" / "schema-1"


def loop(trace: Trace) -> ReplicaLoop:
    (found,) = loops_of(trace)
    json.dumps(found.to_json())
    assert set(found.evidence) <= {event.seq for event in trace.events}
    return found


def own_run(**how: Any) -> OwnAppRun:
    run = OwnAppRun(scenario(), **how)
    run.begin()
    return run


def with_deaths(count: int, *, code: int = 3) -> OwnAppRun:
    """So many lives that died under the fault before they were ready, each to be restarted."""
    run = own_run()
    for attempt in range(1, count + 1):
        run.starts(attempt)
        run.held(attempt)
        run.dies(attempt, code=code)
    return run


def given_up(run: OwnAppRun, attempt: int, reason: str, *, code: int = 3) -> Trace:
    """The death of the last life, which the platform does not start again."""
    run.exited(attempt, code=code)
    run.add("supervisor", "restart.gave_up", attempt=attempt, reason=reason)
    run.after_exit(attempt)
    return run.over(PLATFORM_GAVE_UP)


def lived_on(run: OwnAppRun, *, attempt: int = 1, for_s: float, how: str) -> Trace:
    """A life whose port stays shut until the harness ends it."""
    run.wait(for_s)
    run.exited(attempt, code=None, requested=True)
    run.after_exit(attempt)
    return run.over(how)


# Restart loops


def test_lives_that_die_before_they_are_ready_are_a_restart_loop() -> None:
    found = loop(REPRODUCTION)
    assert found.pattern is Pattern.RESTART_LOOP
    assert found.looped
    assert (found.starts, found.deaths) == (4, 3)
    assert found.why == (
        "3 attempts in a row died before they were ready (exit 3), until attempt 4 was ready"
    )
    ends = {event.seq for event in REPRODUCTION.of("process.exited")[:3]}
    assert ends <= set(found.evidence)


def test_two_deaths_in_a_row_are_the_fewest_of_a_loop() -> None:
    assert MIN_DEATHS == 2
    twice, once = loop(with_deaths(2).recovers(3)), loop(with_deaths(1).recovers(2))
    assert twice.pattern is Pattern.RESTART_LOOP
    assert once.pattern is Pattern.STARTED
    assert not once.looped
    assert once.why == "attempt 2 was ready after one death (exit 3)"
    assert (once.cycle_s, once.starts_per_hour) == (None, None)


def test_a_life_that_was_ready_between_two_deaths_breaks_the_row() -> None:
    run = with_deaths(1)
    run.serves(2)
    run.dies(2)
    run.starts(3)
    run.held(3)
    run.dies(3)
    found = loop(run.recovers(4))
    assert found.pattern is Pattern.CRASH_AFTER_READY
    assert not found.looped


def looped_later() -> OwnAppRun:
    """A death, a life that was ready and died, and then two deaths in a row."""
    run = with_deaths(1)
    run.serves(2)
    run.dies(2)
    for attempt in (3, 4):
        run.starts(attempt)
        run.held(attempt)
        run.dies(attempt)
    return run


def test_the_longest_row_of_deaths_decides_wherever_it_is() -> None:
    found = loop(looped_later().recovers(5))
    assert (found.pattern, found.deaths) == (Pattern.RESTART_LOOP, 4)
    assert found.why.startswith("2 attempts in a row died before they were ready")
    assert len(found.cycles_s) == 2, "the other lives are no part of the loop"


def test_a_loop_whose_end_did_not_last_is_not_said_to_have_ended() -> None:
    run = with_deaths(2)
    run.serves(3)
    run.dies(3)
    assert loop(run.over(DEADLINE_PASSED)).why == (
        "2 attempts in a row died before they were ready (exit 3)"
    )


def test_a_life_that_answered_without_being_ready_died_before_ready() -> None:
    run = own_run()
    for attempt in (1, 2):
        run.starts(attempt)
        run.ready(attempt, ready=False, status=503)
        run.dies(attempt)
    assert loop(run.recovers(3)).pattern is Pattern.RESTART_LOOP


@pytest.mark.parametrize(
    ("by", "pattern"),
    [("startup probe", Pattern.RESTART_LOOP), ("liveness probe", Pattern.CRASH_AFTER_READY)],
)
def test_an_app_that_its_startup_probe_killed_was_not_ready_by_its_own_word(
    by: str, pattern: Pattern
) -> None:
    run = own_run()
    for attempt in (1, 2):
        run.starts(attempt)
        run.add("app", "startup.completed", attempt=attempt)
        run.add("supervisor", "process.killed", attempt=attempt, by=by, signal="SIGTERM")
        run.dies(attempt)
    assert loop(run.recovers(3)).pattern is pattern


def test_a_loop_that_the_run_leaves_running_is_a_loop_all_the_same() -> None:
    run = with_deaths(3)
    run.starts(4)
    run.exited(4, code=None, requested=True)
    found = loop(run.over(DEADLINE_PASSED))
    assert found.pattern is Pattern.RESTART_LOOP
    assert found.recovery is None


def test_a_death_that_nothing_follows_is_not_decided() -> None:
    found = loop(with_deaths(1).over(DEADLINE_PASSED))
    assert found.pattern is None
    assert found.why == "1 attempt died (exit 3), and nothing followed"


def test_what_the_app_itself_logs_about_processes_counts_for_nothing() -> None:
    ready = one(CONTROL, "ready.answered")
    fields: dict[str, Any] = {"attempt": 1, "exit_code": 3, "pid": 1, "requested": False}
    for kind in ("process.started", "process.exited", "restart.gave_up"):
        found = loop(inserted(CONTROL, ready, "app", kind, **fields))
        assert (found.pattern, found.starts) == (Pattern.STARTED, 1)
    other = inserted(CONTROL, ready, "app", "process.started", **{**fields, "attempt": 2})
    assert loop(other).starts == 1


# The cycle


def test_a_cycle_is_a_life_and_the_back_off_after_it_in_seconds_of_the_incident() -> None:
    trace = changed(REPRODUCTION, "process.exited", run_incident_s=20.5)
    found = loop(changed(trace, "restart.scheduled", attempt=2, backoff_s=9.5))
    assert found.cycles_s == pytest.approx((20.6, 30.0, 20.6))
    assert found.cycle_s == pytest.approx(71.2 / 3)
    assert found.starts_per_hour == pytest.approx(3600 * 3 / 71.2)


def test_without_the_incidents_seconds_of_a_life_its_waits_are_scaled_back() -> None:
    exits = [
        replace(e, data={k: v for k, v in e.data.items() if k != "run_incident_s"})
        if e.kind == "process.exited"
        else e
        for e in REPRODUCTION.events
    ]
    # 0.67 s of real work, and the phase that failed after 1.001 s is 20.02 s of the incident.
    run_s = one(REPRODUCTION, "process.exited", 1).data["run_s"]
    expected = run_s - 1.001 + 1.001 * SCALE + 0.1
    assert loop(sealed(REPRODUCTION, exits)).cycles_s[0] == pytest.approx(expected, abs=1e-6)


def test_a_phase_that_ran_when_its_life_was_killed_was_a_wait() -> None:
    trace = without(REPRODUCTION, "phase.failed", "startup.failed")
    trace = changed(trace, "process.exited", run_incident_s=None)
    begun, ended = one(trace, "phase.started", 1, "database"), one(trace, "process.exited", 1)
    waited_s = (ended.mono_ns - begun.mono_ns) / NS_PER_S
    expected = ended.data["run_s"] + waited_s * (SCALE - 1) + 0.1
    assert loop(trace).cycles_s[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("run", "first"), [(HELD, "link.opened"), (black_hole(), "gate.syn_seen")])
def test_a_life_that_logs_no_phase_waits_from_its_first_connection_on(
    run: Trace, first: str
) -> None:
    trace = with_header(changed(run, "process.exited", run_incident_s=None), time_scale=10.0)
    opened, ended = one(trace, first, 1), one(trace, "process.exited", 1)
    waited_s = (ended.mono_ns - opened.mono_ns) / NS_PER_S
    expected = ended.data["run_s"] + waited_s * 9 + 0.1
    assert loop(trace).cycles_s[0] == pytest.approx(expected, abs=1e-6)


def by_docker_itself(trace: Trace) -> Trace:
    """The trace as the Docker engine records it: Docker restarts the app and says no reason."""
    trace = without(trace, "restart.scheduled")
    kinds = {"process.started", "process.exited"}
    return sealed(
        trace, [replace(e, source="platform") if e.kind in kinds else e for e in trace.events]
    )


def test_dockers_own_back_off_is_as_long_as_it_was() -> None:
    trace = changed(by_docker_itself(REPRODUCTION), "process.exited", run_incident_s=20.0)
    ended, started = one(trace, "process.exited", 1), one(trace, "process.started", 2)
    gap_s = (started.mono_ns - ended.mono_ns) / NS_PER_S
    found = loop(trace)
    assert found.cycles_s[0] == pytest.approx(20.0 + gap_s, abs=1e-6)
    assert found.was_reset is None


def test_a_back_off_that_nothing_says_gives_no_cycle() -> None:
    found = loop(without(REPRODUCTION, "restart.scheduled"))
    assert found.pattern is Pattern.RESTART_LOOP
    assert (found.cycles_s, found.cycle_s, found.starts_per_hour) == ((), None, None)


# The back-off's reset


def test_whether_the_back_off_started_over_is_the_platforms_own_word() -> None:
    reason = "ran 10 s or more: the back-off starts over"
    found = loop(changed(REPRODUCTION, "restart.scheduled", attempt=2, reason=reason))
    assert found.was_reset is True
    assert found.resets == "a run of 10 s or more"
    assert loop(REPRODUCTION).was_reset is False
    assert loop(CONTROL).was_reset is None


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_platform_that_starts_its_back_off_over_says_so(name: str) -> None:
    step, state, before_s, at_s = step_of(parse_platform(name)), State(), 0.0, 0.0
    for run_s in (1.0, 1.0, 1.0, 20.0, 1.0, 1e6, 1.0, 1.0):
        at_s += before_s + run_s
        state, decision = step(state, Exit(status=3, run_s=run_s, at_s=at_s, draw=0.5))
        if not decision.restart:
            return
        if decision.backoff_s < before_s:
            assert STARTS_OVER in decision.reason
        before_s = decision.backoff_s


# What is no loop


def test_an_app_that_is_ready_at_once_has_started() -> None:
    found = loop(CONTROL)
    assert found.pattern is Pattern.STARTED
    assert (found.starts, found.deaths, found.recovery) == (1, 0, None)


def test_a_start_that_a_fault_kept_waiting_is_slow() -> None:
    found = loop(delayed())
    assert found.pattern is Pattern.SLOW_START
    assert found.why.startswith("attempt 1 did not die and was ready 0 s after a fault first")


def test_a_slow_start_waited_from_the_first_time_that_a_fault_touched_it() -> None:
    run = own_run()
    run.starts(1)
    run.held(1, for_s=2.0)
    run.held(1, for_s=1.0)
    run.ready(1)
    run.stops(1)
    found = loop(run.over())
    assert found.pattern is Pattern.SLOW_START
    assert found.why == "attempt 1 did not die and was ready 3 s after a fault first touched it"


def test_a_fault_that_touched_another_replica_makes_no_start_slow() -> None:
    run = OwnAppRun(scenario(replicas=2))
    run.begin()
    run.starts(1, 1)
    run.starts(1, 2)
    run.held(1, 2)
    for replica in (1, 2):
        run.ready(1, replica)
    run.healed()
    patterns = [each.pattern for each in loops_of(run.over())]
    assert patterns == [Pattern.STARTED, Pattern.SLOW_START]


def test_a_fault_that_came_after_the_start_made_no_start_slow() -> None:
    run = own_run()
    run.starts(1)
    run.ready(1)
    run.held(1)
    run.healed()
    run.stops(1)
    assert loop(run.over()).pattern is Pattern.STARTED


def test_a_death_after_ready_is_a_crash_and_no_loop_however_often_it_comes() -> None:
    run = own_run()
    for attempt in (1, 2, 3):
        run.serves(attempt)
        run.dies(attempt, code=1)
    found = loop(run.recovers(4))
    assert found.pattern is Pattern.CRASH_AFTER_READY
    assert found.why == "3 attempts died after being ready (exit 1)"
    assert not found.looped


def test_an_app_that_says_its_start_up_is_complete_was_ready() -> None:
    trace = without(reproduction(deaths=2), "ready.answered")
    failed = one(trace, "phase.failed", 1)
    found = loop(inserted(trace, failed, "app", "startup.completed", attempt=1))
    assert found.pattern is Pattern.CRASH_AFTER_READY


def test_a_platform_that_gave_up_ends_a_loop() -> None:
    run = with_deaths(6)
    run.starts(7)
    found = loop(given_up(run, 7, "restarted 6 times, which is the limit"))
    assert found.pattern is Pattern.GAVE_UP
    assert found.looped
    assert found.why == (
        "the platform gave up after 7 deaths (exit 3): restarted 6 times, which is the limit"
    )
    assert (found.starts, found.deaths, len(found.cycles_s)) == (7, 7, 6)


def test_a_failure_that_the_platform_does_not_restart_is_not_silent() -> None:
    run = own_run()
    run.starts(1)
    found = loop(given_up(run, 1, "no restarts"))
    assert (found.pattern, found.looped) == (Pattern.GAVE_UP, False)
    assert found.why == "the platform gave up after 1 death (exit 3): no restarts"


def test_an_exit_0_before_ready_that_the_platform_accepts_is_silence() -> None:
    run = own_run()
    run.starts(1)
    found = loop(given_up(run, 1, "exit 0 is not a failure", code=0))
    assert found.pattern is Pattern.SILENT_EXIT
    assert found.why == (
        "attempt 1 ended with exit 0 without having been ready, and the platform did not start it "
        "again: exit 0 is not a failure"
    )


def test_an_exit_0_of_an_app_that_had_served_is_no_silence() -> None:
    run = own_run()
    run.serves(1)
    assert loop(given_up(run, 1, "exit 0 is not a failure", code=0)).pattern is Pattern.GAVE_UP


def test_an_exit_0_that_is_restarted_again_and_again_is_a_loop() -> None:
    assert loop(with_deaths(2, code=0).recovers(3)).pattern is Pattern.RESTART_LOOP
    run = with_deaths(2, code=0)
    run.starts(3)
    assert loop(given_up(run, 3, "the limit", code=0)).pattern is Pattern.GAVE_UP


FAILED_STARTS: list[dict[str, Any]] = [
    {"kind": "log.server", "says": "startup_failed"},
    {"kind": "log.server", "says": "worker_failed"},
    {"kind": "startup.failed", "phase": "database"},
]


@pytest.mark.parametrize("line", FAILED_STARTS)
def test_a_process_that_outlives_its_failed_start_up_is_silent(line: dict[str, Any]) -> None:
    run = own_run()
    run.starts(1)
    run.add("app", attempt=1, **line)
    found = loop(lived_on(run, for_s=LIVED_ON_S, how=DEADLINE_PASSED))
    assert found.pattern is Pattern.SILENT_ALIVE
    assert found.why == (
        "the process of attempt 1 lived on for 2.0 s after its start-up failed, with a shut port"
    )


def test_a_process_that_was_stopped_while_it_was_ending_is_not_silent() -> None:
    run = own_run()
    run.starts(1)
    run.add("app", "startup.failed", attempt=1, phase="database")
    found = loop(lived_on(run, for_s=LIVED_ON_S / 2, how=DEADLINE_PASSED))
    assert found.pattern is None
    assert found.why == "attempt 1 was not ready when the run ended"


def test_a_process_that_dies_long_after_its_failed_start_up_is_not_silent() -> None:
    run = own_run()
    run.starts(1)
    run.add("app", "startup.failed", attempt=1, phase="database")
    run.wait(2 * LIVED_ON_S)
    run.exited(1)
    run.after_exit(1)
    assert loop(run.over(DEADLINE_PASSED)).pattern is None


def alive_after_the_heal(how: str) -> Trace:
    run = own_run()
    run.starts(1)
    link = run.hold(1)
    run.healed()
    run.release(link, 1)
    return lived_on(run, for_s=30.0, how=how)


def test_a_process_that_never_listens_in_all_its_time_to_recover_is_silent() -> None:
    found = loop(alive_after_the_heal(NOT_BACK_IN_TIME))
    assert found.pattern is Pattern.SILENT_ALIVE
    assert "its port stayed shut for all of its time to recover" in found.why


def test_a_process_that_was_not_given_its_time_to_recover_is_not_decided() -> None:
    assert loop(alive_after_the_heal(DEADLINE_PASSED)).pattern is None


def test_a_process_that_was_started_after_the_heal_is_not_decided_by_its_shut_port() -> None:
    run = with_deaths(1)
    run.healed()
    run.starts(2)
    assert loop(lived_on(run, attempt=2, for_s=30.0, how=NOT_BACK_IN_TIME)).pattern is None


def test_a_process_that_listens_without_being_ready_is_not_silent() -> None:
    trace = alive_after_the_heal(NOT_BACK_IN_TIME)
    assert loop(changed(trace, "port.watched", attempt=1, opened=True)).pattern is None
    assert loop(changed(trace, "port.watched", attempt=1, probes=0)).pattern is None
    assert loop(without(trace, "port.watched")).pattern is None


def test_a_run_that_started_nothing_shows_nothing() -> None:
    found = loop(never_started("died", "it exited with 1"))
    assert (found.pattern, found.why) == (None, "no attempt was started")
    assert (found.starts, found.deaths, found.was_reset) == (0, 0, None)


# Recovery


def parts(trace: Trace) -> tuple[float, float, float, float]:
    time = loop(trace).recovery
    assert time is not None
    found = (time.policy_s, time.syn_s, time.app_s, time.rest_s)
    assert time.total_s == pytest.approx(sum(found))
    if trace.scale == 1:
        healed = [e for e in trace.events if e.kind == "fault.healed"][-1]
        answers = [e for e in trace.events if e.kind == "ready.answered" and e.data["ready"]]
        assert time.total_s == pytest.approx((answers[-1].mono_ns - healed.mono_ns) / NS_PER_S)
    written = time.to_json()
    assert written.pop("total_s") == pytest.approx(sum(written.values()), abs=1e-9)
    return found


def heal_during_a_back_off(*, scale: float = 10.0) -> OwnAppRun:
    """A back-off of 40 s of the incident, of which 30 s are left at the heal."""
    run = own_run(scale=scale)
    run.starts(1)
    run.held(1)
    run.exited(1)
    run.add(
        "supervisor", "restart.scheduled", attempt=1, after_s=0.0, backoff_s=40.0,
        wall_s=40.0 / scale, reason="failed",
    )  # fmt: skip
    run.wait(10.0 / scale - 0.001)
    run.healed()
    run.wait(30.0 / scale - 0.001)
    return run


def test_the_back_off_that_was_still_running_at_the_heal_is_the_policys_part() -> None:
    run = heal_during_a_back_off()
    run.serves(2)
    run.stops(2)
    policy_s, syn_s, app_s, rest_s = parts(run.over())
    assert policy_s == pytest.approx(30.0)
    assert syn_s == 0.0
    assert app_s == pytest.approx(0.304, abs=0.002)
    assert rest_s == pytest.approx(0.0, abs=1e-6)


def test_what_a_process_takes_to_come_after_its_back_off_is_left() -> None:
    run = heal_during_a_back_off()
    run.wait(0.5)
    run.serves(2)
    run.stops(2)
    policy_s, _, app_s, rest_s = parts(run.over())
    assert policy_s == pytest.approx(30.0)
    assert app_s == pytest.approx(0.304, abs=0.002)
    assert rest_s == pytest.approx(0.5)


def test_dockers_own_back_off_is_the_policys_part_and_is_not_scaled() -> None:
    run = heal_during_a_back_off()
    run.serves(2)
    run.stops(2)
    policy_s, _, _, rest_s = parts(by_docker_itself(run.over()))
    assert policy_s == pytest.approx(3.0, abs=0.002)
    assert rest_s == pytest.approx(0.0, abs=1e-6)


def test_a_start_that_came_before_its_back_off_was_over_is_counted_once() -> None:
    run = heal_during_a_back_off(scale=1.0)
    run.serves(2)
    run.stops(2)
    trace = changed(run.over(), "restart.scheduled", wall_s=100.0)
    policy_s, _, app_s, _ = parts(trace)
    assert policy_s == pytest.approx(30.0)
    assert app_s == pytest.approx(0.304, abs=0.002)


def test_the_time_that_a_life_served_before_it_died_is_scaled_back() -> None:
    run = own_run(scale=10.0)
    run.healed()
    run.starts(1, after_s=0.2)
    run.connected(1)
    run.wait(0.3)
    run.say("startup.completed", 1, degraded=[])
    run.wait(0.39)
    run.dies(1)
    run.serves(2)
    run.stops(2)
    # 0.5 s of a start, and 0.5 s in which it served: 5 s of the incident.
    assert parts(run.over())[3] == pytest.approx(5.5 + 0.1, abs=0.05)


def test_a_phase_that_has_not_ended_is_real_work_in_a_life_that_lives() -> None:
    run = own_run(scale=10.0)
    run.starts(1)
    run.say("phase.started", 1, phase="database", limit_s=2.0)
    run.healed()
    run.wait(0.4)
    run.ready(1)
    run.stops(1)
    assert parts(run.over())[2] == pytest.approx(0.402, abs=0.001)


def test_a_life_that_still_died_after_the_heal_is_left_over() -> None:
    run = with_deaths(2)
    run.healed()
    run.starts(3)
    run.dies(3)
    run.serves(4)
    run.stops(4)
    policy_s, _, app_s, rest_s = parts(run.over())
    assert policy_s == pytest.approx(0.1)
    assert app_s == pytest.approx(0.304, abs=0.002)
    assert rest_s > 0.4


def waiting_for_a_syn(*, gives_up: bool = False, released_after_s: float = 0.0) -> Trace:
    """The path is back while a connection waits 0.7 s for its kernel's next SYN."""
    run = OwnAppRun(scenario(fault="black_hole"), scale=10.0)
    run.begin()
    run.starts(1)
    mine: dict[str, Any] = {"attempt": 1, "target": TARGET}
    socket: dict[str, Any] = {"fault": run.fault, "inode": 5001}
    run.add("proxy", "gate.syn_seen", **mine, **socket, first_ns=run.now_ns, session=100)
    run.wait(0.299)
    run.healed()
    released_ns = run.now_ns + round(released_after_s * NS_PER_S)
    run.wait(0.7)
    if gives_up:
        run.add("proxy", "gate.syn_gone", **mine, **socket, reason="gone", after_s=0.0)
        run.dies(1)
        run.serves(2)
        run.stops(2)
        return run.over()
    run.add(
        "proxy", "gate.admitted", **mine, **socket, after_s=0.0, link="postgres-9",
        released_ns=released_ns, connected_ns=run.now_ns,
    )  # fmt: skip
    run.add("proxy", "gate.syn_gone", **mine, **socket, reason="admitted", after_s=0.0)
    run.wait(0.2)
    run.ready(1)
    run.stops(1)
    return run.over()


def test_the_wait_for_the_next_syn_after_the_heal_is_the_kernels_part_and_is_not_scaled() -> None:
    policy_s, syn_s, app_s, rest_s = parts(waiting_for_a_syn())
    assert (policy_s, rest_s) == (0.0, 0.0)
    assert syn_s == pytest.approx(0.7)
    assert app_s == pytest.approx(0.202, abs=0.002)


def test_a_client_that_was_let_in_later_waits_for_its_kernel_from_then_on() -> None:
    _, syn_s, app_s, _ = parts(waiting_for_a_syn(released_after_s=0.4))
    assert syn_s == pytest.approx(0.3)
    assert app_s == pytest.approx(0.602, abs=0.002)


def test_a_connection_given_up_before_its_next_syn_is_the_kernels_part_as_well() -> None:
    _, syn_s, _, _ = parts(waiting_for_a_syn(gives_up=True))
    assert syn_s == pytest.approx(0.7)


def test_a_syn_that_was_over_before_the_heal_explains_nothing_after_it() -> None:
    assert parts(black_hole())[1] == 0.0


def test_a_connection_seen_by_its_client_address_waits_for_its_syn_as_well() -> None:
    # The Docker engine names the client's address, and no socket.
    address = "172.17.0.3:40001"
    as_docker_says = {
        "gate.syn_seen": ("gate.syn_seen", {"fault": "connector-scaling", "client": address}),
        "gate.admitted": ("link.opened", {"link": "9", "client": address}),
    }
    events = []
    for event in without(waiting_for_a_syn(), "gate.syn_gone").events:
        kind, data = as_docker_says.get(event.kind, (event.kind, event.data))
        events.append(replace(event, kind=kind, data=data))
    _, syn_s, app_s, _ = parts(sealed(waiting_for_a_syn(), events))
    assert syn_s == pytest.approx(0.7)
    assert app_s == pytest.approx(0.202, abs=0.002)


def test_a_syn_waits_from_the_end_of_the_fault_that_dropped_it() -> None:
    run = OwnAppRun(scenario(fault="black_hole"))
    run.begin()
    run.healed()
    run.wait(5.0)
    run.injected()
    run.starts(1)
    mine: dict[str, Any] = {"attempt": 1, "target": TARGET, "fault": run.fault, "inode": 5001}
    run.add("proxy", "gate.syn_seen", **mine, session=100)
    run.healed()
    run.wait(0.7)
    run.add("proxy", "gate.syn_gone", **mine, reason="gone", after_s=0.0)
    run.ready(1)
    run.stops(1)
    assert parts(run.over())[1] == pytest.approx(0.7)


def test_the_apps_own_pause_between_two_tries_is_scaled_back() -> None:
    run = own_run(scale=10.0)
    run.starts(1)
    link = run.hold(1)
    run.release(link, 1, reason="client closed")
    run.say("database.retry_failed", 1, pause_s=0.5, after_s=0.0)
    begun_ns = run.now_ns
    run.wait(0.099)
    run.healed()
    run.wait(0.6)
    run.ready(1)
    run.stops(1)
    trace = run.over()
    paused_s = 0.5 - (one(trace, "fault.healed").mono_ns - begun_ns) / NS_PER_S
    real_s = 0.602 - paused_s
    assert parts(trace)[2] == pytest.approx(paused_s * 10 + real_s, abs=0.002)


def test_a_degraded_app_waited_while_it_served_without_its_database() -> None:
    run = own_run(scale=10.0)
    run.starts(1)
    run.say("phase.degraded", 1, phase="database", duration_s=0.0)
    run.say("startup.completed", 1, degraded=["database"])
    run.ready(1, ready=False, status=503)
    run.wait(1.0)
    run.say("database.retry_failed", 1, pause_s=0.2)
    run.healed()
    run.wait(0.4)
    run.ready(1)
    run.stops(1)
    assert parts(run.over())[2] == pytest.approx(4.01, abs=0.02)


def test_a_replica_that_was_ready_at_the_heal_had_nothing_to_recover_from() -> None:
    run = own_run()
    run.serves(1)
    run.healed()
    run.ready(1, status=204)
    run.stops(1)
    assert loop(run.over()).recovery is None


def test_a_replica_that_was_no_longer_ready_at_the_heal_had_to_recover() -> None:
    run = own_run()
    run.serves(1)
    run.ready(1, ready=False, status=503)
    run.healed()
    run.wait(0.5)
    run.ready(1)
    run.stops(1)
    assert parts(run.over())[2] == pytest.approx(0.501)


def test_a_replica_that_dies_after_it_was_ready_has_not_recovered_with_that_life() -> None:
    run = with_deaths(2)
    run.healed()
    run.serves(3)
    run.dies(3)
    first = one(run.trace(), "ready.answered", 3)
    run.serves(4)
    run.stops(4)
    time = loop(run.over()).recovery
    assert time is not None
    assert time.total_s > (first.mono_ns - one(run.trace(), "fault.healed").mono_ns) / NS_PER_S


def test_without_a_heal_nothing_recovers() -> None:
    assert loop(without(REPRODUCTION, "fault.healed")).recovery is None
    assert loop(with_scenario(REPRODUCTION, faults=[])).recovery is None
    assert loop(without(REPRODUCTION, "ready.answered")).recovery is None


# Several replicas, recorded runs, and bad input


def test_each_replica_has_its_own_record() -> None:
    run = OwnAppRun(scenario(replicas=2))
    run.begin()
    for attempt in (1, 2):
        run.starts(attempt, 2)
        run.held(attempt, 2)
        run.dies(attempt, 2)
    run.healed()
    for attempt, replica in ((1, 1), (3, 2)):
        run.serves(attempt, replica)
        run.stops(attempt, replica)
    reason = "ran 10 s or more: the back-off starts over"
    trace = changed(run.over(), "restart.scheduled", replica=2, attempt=1, reason=reason)
    assert [each.was_reset for each in loops_of(trace)] == [None, True]
    first, second = loops_of(run.over())
    assert (first.replica, first.pattern, first.deaths) == (1, Pattern.STARTED, 0)
    assert (second.replica, second.pattern, second.deaths) == (2, Pattern.RESTART_LOOP, 2)


def test_an_old_revision_has_no_record() -> None:
    assert [each.replica for each in loops_of(held(replicas=2))] == [1, 2]


@pytest.mark.parametrize(
    ("name", "pattern", "cycle_s", "was_reset"),
    [
        ("reproduction", Pattern.RESTART_LOOP, 21.3, True),
        ("black-hole", Pattern.RESTART_LOOP, 20.7, True),
        ("latency", Pattern.RESTART_LOOP, 21.1, True),
        ("refused", Pattern.RESTART_LOOP, 1.0, False),
        ("remedy", Pattern.SLOW_START, None, None),
        ("control", Pattern.STARTED, None, None),
        ("unplugged", Pattern.STARTED, None, None),
    ],
)
def test_a_recorded_run_has_its_pattern(
    name: str, pattern: Pattern, cycle_s: float | None, was_reset: bool | None
) -> None:
    trace = parse_trace(gzip.decompress((RECORDED / f"{name}.jsonl.gz").read_bytes()))
    found = loop(trace)
    assert (found.pattern, found.was_reset) == (pattern, was_reset)
    assert found.cycle_s == (None if cycle_s is None else pytest.approx(cycle_s, abs=0.05))
    has_recovered = name not in {"control", "unplugged"}
    assert (found.recovery is not None) is has_recovered


def test_a_trace_of_more_replicas_than_can_be_read_has_no_record() -> None:
    assert loops_of(with_scenario(REPRODUCTION, replicas={"count": 10**9})) == ()


HOSTILE: list[Any] = [None, "x", -1, 10**400, 1e300, float("nan"), True, [], {}, [None]]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:20])
def test_no_value_in_a_trace_raises(value: Any) -> None:
    for trace in (REPRODUCTION, waiting_for_a_syn(), alive_after_the_heal(NOT_BACK_IN_TIME)):
        for n, event in enumerate(trace.events):
            for key in event.data:
                edited = replace(event, data={**event.data, key: value})
                events = (*trace.events[:n], edited, *trace.events[n + 1 :])
                for found in loops_of(Trace(header=trace.header, events=events)):
                    json.dumps(found.to_json(), allow_nan=False)


def test_of_an_unknown_platform_nobody_knows_what_resets_it() -> None:
    platform = {**REPRODUCTION.scenario["platform"], "name": "another"}
    assert loop(with_scenario(REPRODUCTION, platform=platform)).resets == ""


def test_a_trace_that_cannot_be_read_says_so() -> None:
    found = loop(with_scenario(REPRODUCTION, platform=["x"]))
    assert found.pattern is None
    assert found.why.startswith("the evidence could not be read (AttributeError")


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:20])
def test_no_value_in_a_header_raises(value: Any) -> None:
    for part in REPRODUCTION.scenario:
        for found in loops_of(with_scenario(REPRODUCTION, **{part: value})):
            json.dumps(found.to_json(), allow_nan=False)
    for found in loops_of(with_header(REPRODUCTION, time_scale=value)):
        json.dumps(found.to_json(), allow_nan=False)


def test_the_evidence_is_bounded_and_keeps_the_last_event() -> None:
    trace = reproduction(deaths=40)
    found = loop(trace)
    assert len(found.evidence) == 12
    assert found.evidence[-1] == one(trace, "ready.answered", 41).seq
