"""What became of the user's own app: the outcome, its reason, and the advice."""

from dataclasses import replace
from typing import Any

import pytest
from crashloop_edits import changed, cut, inserted, sealed, with_scenario, without
from crashloop_own_apps import (
    HELD,
    REFUSED,
    SHOP,
    TCP,
    WITHOUT_JOURNEY,
    OwnAppRun,
    black_hole,
    delayed,
    gave_up,
    held,
    hung,
    lazy,
    never_started,
    refused,
    scenario,
    slots_exhausted,
    untouched,
)
from crashloop_traces import CONTROL, DATABASE, REPRODUCTION

from crashloop.incidents import incident
from crashloop.model import Fate, Outcome, Role
from crashloop.outcome import fate_of
from crashloop.trace.event import DEADLINE_PASSED, NOT_BACK_IN_TIME, Trace

REFUSED_SOMEWHERE = refused()
REMEDY = "serve at once, connect in the background, store what arrived meanwhile"


def fate(trace: Trace) -> Fate:
    found = fate_of(trace)
    assert found is not None
    assert set(found.evidence) <= {event.seq for event in trace.events}
    return found


def without_tries(trace: Trace, *numbers: int) -> Trace:
    left = [
        e for e in trace.events if not (e.kind == "journey.tried" and e.data["number"] in numbers)
    ]
    return sealed(trace, left)


def never_ready_again() -> Trace:
    """The heal comes, the fourth life starts, and it is not ready within its time."""
    trace = without_tries(without(HELD, "ready.answered", attempt=4), 2)
    return changed(trace, "run.finished", how=NOT_BACK_IN_TIME)


def test_the_sample_app_has_no_outcome() -> None:
    assert fate_of(REPRODUCTION) is None
    assert fate_of(CONTROL) is None


@pytest.mark.parametrize(
    "trace",
    [HELD, held(tries=5), black_hole(), refused(address=TCP), refused(path=DATABASE)],
    ids=["held", "held, with retries", "dropped SYNs", "refused", "refused over a Unix socket"],
)
def test_an_app_that_dies_and_is_back_after_the_heal_has_recovered(trace: Trace) -> None:
    found = fate(trace)
    assert found.outcome is Outcome.RECOVERED
    assert (found.deaths, found.exit_codes) == (3, (3, 3, 3))
    assert found.recovered_after_s == pytest.approx(0.326, abs=0.01)
    assert found.why == "it died 3 times (exit 3), and it was back 0.3 s after the heal"
    assert found.advice == REMEDY
    assert found.flags == {}


def test_an_app_that_is_ready_and_serves_under_the_fault_has_survived() -> None:
    found = fate(delayed())
    assert found.outcome is Outcome.SURVIVED
    assert found.why == "it was ready and served its users under the fault"
    assert found.recovered_after_s is None
    assert found.advice == ""


def test_an_app_without_a_journey_survives_by_its_readiness() -> None:
    assert fate(delayed(app=WITHOUT_JOURNEY)).outcome is Outcome.SURVIVED


def test_an_app_whose_journey_fails_under_the_fault_has_recovered_without_a_death() -> None:
    found = fate(lazy())
    assert (found.outcome, found.deaths) == (Outcome.RECOVERED, 0)
    assert "its journey failed under the fault: POST /orders" in found.why
    assert found.advice == REMEDY


def test_a_try_that_had_begun_before_the_app_was_ready_does_not_count() -> None:
    trace = changed(delayed(why="answered 503"), "journey.tried", attempt=1, took_s=0.5)
    trace = sealed(
        trace,
        [
            replace(e, data={**e.data, "took_s": 0.02}) if e.data.get("number") == 3 else e
            for e in trace.events
        ],
    )
    # The only try that had begun under the fault is left out, so nothing says how it served.
    assert fate(trace).outcome is Outcome.INCONCLUSIVE
    assert fate(trace).why == "its journey was never tried under the fault"
    assert fate(delayed(why="answered 503")).outcome is Outcome.RECOVERED


def straddling(why: str) -> Trace:
    """A try passes under the fault; the next one begins under it and ends after its heal."""
    run = OwnAppRun(scenario())
    run.begin()
    run.starts(1)
    run.ready(1)
    run.tried(1)
    link = run.hold(1)
    begun_ns = run.now_ns
    run.wait(1.0)
    run.healed()
    run.release(link, 1)
    run.add("proxy", "link.connected", attempt=1, target="postgres", link=link)
    run.tried(1, why=why)
    took_s = (run.now_ns - begun_ns) / 1e9
    last = run.events[-1]
    run.events[-1] = replace(last, data={**last.data, "took_s": took_s})
    run.tried(1)
    run.answered(link, 1)
    run.stops(1)
    return run.over()


def test_a_try_that_ends_after_the_heal_counts_under_the_fault_only_if_it_fails() -> None:
    assert fate(straddling("")).outcome is Outcome.SURVIVED
    failed = fate(straddling("answered 500"))
    assert failed.outcome is Outcome.RECOVERED
    assert "its journey failed under the fault: answered 500" in failed.why


def test_a_try_that_had_begun_under_the_fault_shows_no_recovery() -> None:
    found = fate(without_tries(straddling(""), 4))
    assert found.outcome is Outcome.NOT_RECOVERED
    assert found.why == "its journey did not pass again, as it was never tried again"


def test_an_app_that_hangs_under_the_fault_has_recovered_if_it_is_ready_after_it() -> None:
    found = fate(hung())
    assert (found.outcome, found.deaths) == (Outcome.RECOVERED, 0)
    assert found.why.startswith("it was not ready under the fault, and it was back 0.0 s")


def test_an_app_that_hangs_for_ever_has_not_recovered() -> None:
    found = fate(hung(recovers=False))
    assert found.outcome is Outcome.NOT_RECOVERED
    assert found.why == "it was not ready again"
    assert found.advice == REMEDY


def test_an_app_that_is_not_ready_in_time_has_not_recovered() -> None:
    found = fate(never_ready_again())
    assert found.outcome is Outcome.NOT_RECOVERED
    assert found.why == "it died 3 times (exit 3), and it was not ready again"


def test_an_app_whose_journey_fails_after_the_heal_has_not_recovered() -> None:
    trace = changed(HELD, "journey.tried", attempt=4, passed=False, why="answered 500")
    found = fate(changed(trace, "run.finished", how=NOT_BACK_IN_TIME))
    assert found.outcome is Outcome.NOT_RECOVERED
    assert found.why.endswith("its journey did not pass again: answered 500")


def test_an_app_that_is_back_a_moment_too_late_has_not_recovered() -> None:
    found = fate(changed(HELD, "run.finished", how=NOT_BACK_IN_TIME))
    assert found.outcome is Outcome.NOT_RECOVERED
    assert "it was back only 0.3 s after the heal" in found.why


def test_a_run_that_ended_before_the_app_had_its_time_shows_nothing() -> None:
    found = fate(changed(never_ready_again(), "run.finished", how=DEADLINE_PASSED))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "the run ended before its time to recover had passed" in found.why


def test_an_app_that_its_platform_does_not_start_again_has_not_recovered() -> None:
    found = fate(gave_up())
    assert (found.outcome, found.exit_codes) == (Outcome.NOT_RECOVERED, (0,))
    assert "its platform did not start it again: exit 0 is no failure" in found.why
    never_healed = fate(without(gave_up(), "fault.healed"))
    assert never_healed.outcome is Outcome.NOT_RECOVERED
    assert "its platform did not start it again" in never_healed.why


def test_a_fault_that_was_never_healed_shows_nothing() -> None:
    found = fate(without(HELD, "fault.healed"))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "the fault was never healed" in found.why


def test_a_death_after_the_recovery_needs_a_recovery_of_its_own() -> None:
    run = OwnAppRun()
    run.begin()
    run.starts(1)
    run.held(1)
    run.dies(1)
    run.healed()
    run.answered(run.serves(2), 2)
    run.dies(2)
    found = fate(run.over(NOT_BACK_IN_TIME))
    assert (found.outcome, found.deaths) == (Outcome.NOT_RECOVERED, 2)
    assert found.why == "it died 2 times (exit 3), and it was not ready again"


def test_every_replica_must_be_back() -> None:
    both = held(replicas=2)
    assert fate(both).outcome is Outcome.RECOVERED
    assert fate(both).deaths == 6
    one = without(both, "journey.tried", attempt=4, replica=2)
    found = fate(changed(one, "run.finished", how=NOT_BACK_IN_TIME))
    assert found.outcome is Outcome.NOT_RECOVERED
    assert found.why.endswith("as it was never tried again (replica 2)")


@pytest.mark.parametrize("what", ["setup", "died", "not_ready", "ready_path"])
def test_an_app_that_does_not_start_without_a_fault_never_started(what: str) -> None:
    found = fate(never_started(what, "GET /health has answered 404 for 3 s"))
    assert found.outcome is Outcome.NEVER_STARTED
    assert found.why == "without a fault, GET /health has answered 404 for 3 s"
    assert found.advice == ""


@pytest.mark.parametrize("what", ["before", "journey"])
def test_an_entry_whose_steps_fail_without_a_fault_shows_nothing(what: str) -> None:
    found = fate(never_started(what, "POST /orders/{key}: answered 500"))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.why == "without a fault, POST /orders/{key}: answered 500"
    assert found.advice == ""


@pytest.mark.parametrize("app", [SHOP, WITHOUT_JOURNEY], ids=["its journey does not", "no journey"])
@pytest.mark.parametrize("reaches", [True, False], ids=["in its control life only", "never"])
def test_an_app_that_the_fault_never_touched_is_to_be_given_a_journey(
    app: Any, reaches: bool
) -> None:
    found = fate(untouched(app=app, reaches=reaches))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.why == "nothing shows that it came to postgres while a fault was on"
    assert found.advice == "give a journey that uses postgres"


def unrelated(*, comes: bool) -> Trace:
    """Over a Unix socket: an app that serves logs a refusal; `comes`: it comes to Postgres."""
    run = OwnAppRun(scenario(fault="refuse"), address=DATABASE)
    run.begin()
    run.starts(1)
    run.ready(1)
    run.said_refused(1)
    run.tried(1)
    run.healed()
    if comes:
        run.answered(run.connected(1), 1)
    run.tried(1)
    run.stops(1)
    return run.over()


def test_a_refusal_that_only_its_time_explains_does_not_touch_an_app_that_never_came() -> None:
    found = fate(unrelated(comes=False))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.advice == "give a journey that uses postgres and logs its errors"
    assert fate(unrelated(comes=True)).outcome is Outcome.SURVIVED


def test_an_app_that_never_came_back_was_touched_by_such_a_refusal() -> None:
    run = OwnAppRun(scenario(fault="refuse"), address=DATABASE)
    run.begin()
    run.starts(1)
    run.said_refused(1)
    run.dies(1)
    run.healed()
    run.add("supervisor", "restart.gave_up", attempt=1, reason="?")
    assert fate(run.over()).outcome is Outcome.NOT_RECOVERED


def test_an_app_that_opens_its_database_at_a_request_needs_a_journey_to_be_touched() -> None:
    found = fate(lazy(app=WITHOUT_JOURNEY))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.advice == "give a journey that uses postgres"


@pytest.mark.parametrize(
    ("counted", "refusals", "outcome"),
    [
        (True, 0, Outcome.INCONCLUSIVE),
        (True, 1, Outcome.RECOVERED),
        (False, 0, Outcome.RECOVERED),
    ],
    ids=["it counted none", "it counted one", "it cannot count"],
)
def test_a_refusal_without_an_address_is_nobodys_where_the_gate_counts_and_refused_nobody(
    outcome: Outcome, refusals: int, *, counted: bool
) -> None:
    of_gate: dict[str, Any] = {"target": "postgres", "fault": "connector-scaling"}
    said = next(event for event in REFUSED_SOMEWHERE.events if event.kind == "log.error")
    checked = next(event for event in REFUSED_SOMEWHERE.events if event.kind == "gate.checked")
    trace = REFUSED_SOMEWHERE
    for _ in range(refusals):
        client: dict[str, Any] = {"client": "127.0.0.1:9", "number": 1}
        trace = inserted(trace, said, "proxy", "gate.refused", **of_gate, **client)
    closed: dict[str, Any] = {"mode": "refuse", "counted": counted}
    trace = inserted(trace, checked, "proxy", "gate.closed", **of_gate, **closed)
    assert fate(trace).outcome is outcome


def test_a_refusal_that_no_line_shows_is_not_said_to_be_a_journey_that_is_missing() -> None:
    found = fate(without(REFUSED, "log.error"))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.why == (
        "it died 3 times (exit 3), and no line of its log says that postgres refused it"
    )
    assert found.advice == ""


@pytest.mark.parametrize(
    ("target", "outcome"),
    [("stock", Outcome.INCONCLUSIVE), ("postgres", Outcome.NOT_RECOVERED)],
    ids=["a service of the user's", "crashloop's own Postgres"],
)
def test_an_app_is_not_blamed_for_a_service_of_its_user_that_is_down(
    target: str, outcome: Outcome
) -> None:
    run = OwnAppRun(scenario(replace(SHOP, services={"stock": "127.0.0.1:9000"})))
    run.begin()
    run.starts(1)
    run.held(1)
    run.ready(1)
    run.healed()
    run.add("proxy", "link.failed", target=target, attempt=1, link="x-1", error="ECONNREFUSED")
    run.tried(1, why="GET /stock: answered 502, not 200")
    run.stops(1)
    found = fate(run.over(NOT_BACK_IN_TIME))
    assert found.outcome is outcome
    if outcome is Outcome.INCONCLUSIVE:
        assert found.why == (
            "the service stock itself took no connection (ECONNREFUSED), without any fault"
        )


def test_a_run_without_a_fault_has_nothing_to_survive() -> None:
    run = OwnAppRun(scenario(role=Role.CONTROL))
    run.begin()
    run.answered(run.serves(1), 1)
    run.stops(1)
    found = fate(run.over())
    assert (found.outcome, found.advice) == (Outcome.INCONCLUSIVE, "")
    assert found.why == "no fault was planned, so there was nothing to survive"


def test_an_unplugged_fault_shows_nothing() -> None:
    found = fate(changed(untouched(), "fault.injected", plugged=False))
    assert (found.outcome, found.advice) == (Outcome.INCONCLUSIVE, "")
    assert found.why == "no fault was injected"


def test_a_kill_of_somebody_else_shows_nothing() -> None:
    trace = changed(HELD, "process.exited", attempt=2, exit_code=None, signal="SIGKILL")
    found = fate(trace)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "attempt 2 was killed by somebody else" in found.why


@pytest.mark.parametrize("kind", ["harness.failed", "run.interrupted", "run.refused"])
def test_a_run_that_broke_shows_nothing(kind: str) -> None:
    trace = inserted(HELD, HELD.events[-2], "harness", kind, message="the disk is full")
    assert fate(trace).outcome is Outcome.INCONCLUSIVE


def test_a_database_that_died_during_the_run_shows_nothing() -> None:
    found = fate(inserted(HELD, HELD.events[-2], "database", "database.died"))
    assert (found.outcome, found.why) == (Outcome.INCONCLUSIVE, "Postgres died during the run")


def test_a_trace_with_a_gap_shows_nothing() -> None:
    found = fate(cut(HELD, 12))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "seq" in found.why


def test_a_death_that_the_fault_does_not_explain_shows_nothing() -> None:
    found = fate(without(HELD, "link.held", attempt=2))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.why == "attempt 2 died without any receipt"


def by_code(*codes: int) -> Trace:
    return with_scenario(HELD, app={**HELD.scenario["app"], "exit_codes": list(codes)})


def test_the_entrys_exit_codes_say_which_ends_are_deaths() -> None:
    assert fate(by_code(3)).deaths == 3
    assert fate(by_code(4)).deaths == 0
    mixed = changed(by_code(3), "process.exited", attempt=2, exit_code=0)
    assert fate(mixed).exit_codes == (3, 3)


def test_what_the_platform_killed_has_died_whatever_the_codes() -> None:
    trace = changed(by_code(3), "process.exited", attempt=2, exit_code=None, signal="SIGKILL")
    held_until = next(e for e in trace.events if e.kind == "link.closed" and e.attempt == 2)
    for signal in ("SIGTERM", "SIGKILL"):
        trace = inserted(
            trace, held_until, "supervisor", "process.killed", attempt=2, by="startup probe",
            signal=signal,
        )  # fmt: skip
    found = fate(trace)
    assert (found.outcome, found.exit_codes) == (Outcome.RECOVERED, (3, 137, 3))


def test_an_app_that_fits_beside_the_old_revision_says_that_nothing_was_refused() -> None:
    found = fate(slots_exhausted(deaths=0))
    assert found.outcome is Outcome.SURVIVED
    assert found.why == (
        "no server refused a connection: all instances fit beside the old revision"
    )


def test_it_fits_as_well_if_the_old_revision_ends_before_a_journey_is_tried() -> None:
    found = fate(without_tries(slots_exhausted(deaths=0), 2, 3))
    assert (found.outcome, found.deaths) == (Outcome.SURVIVED, 0)


def test_what_fails_beside_an_old_revision_without_a_refusal_has_another_cause() -> None:
    found = fate(without(slots_exhausted(), "database.error"))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.why.endswith("yet no server refused a connection, so it has another cause")


def test_an_app_that_the_old_revision_left_no_slot_has_recovered() -> None:
    found = fate(slots_exhausted())
    assert (found.outcome, found.deaths) == (Outcome.RECOVERED, 3)


def test_a_try_that_the_heal_lets_through_is_said_to_show_nothing_and_what_would() -> None:
    found = fate(without_tries(straddling(""), 2))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.why == (
        "no try of its journey ended under the fault: the one under way at the heal, after 1.0 s, "
        "passed only then"
    )
    assert found.advice == "let the fault last longer than a try: -p heal_s=SECONDS"


PATIENT = replace(SHOP, journey=replace(SHOP.journey, patient=True))


def patient(*, waits: bool = True, passes: bool = True, under_the_fault: bool = False) -> Trace:
    """A patient journey of one step: it `waits` under the fault, and `passes` then or later."""
    run = OwnAppRun(scenario(PATIENT))
    run.begin()
    run.starts(1)
    run.ready(1)
    link = run.hold(1)
    of: dict[str, Any] = {"attempt": 1, "step": 1, "of": 1}
    if waits:
        why = "POST /orders/{key}: answered 500, not 200"
        run.add("harness", "journey.waiting", **of, why=why, answered=True)
    run.wait(1.0)
    says: dict[str, Any] = {"says": "POST /orders/{key} answered", "key": "k", "answered": 200}
    if passes and under_the_fault:
        run.add("harness", "journey.step", **of, **says)
    run.healed()
    run.release(link, 1)
    if passes and not under_the_fault:
        run.add("harness", "journey.step", **of, **says)
    run.closed(link, 1)
    run.stops(1)
    return run.over() if passes else run.over(NOT_BACK_IN_TIME)


def test_a_patient_journey_that_waits_for_the_heal_has_failed_under_the_fault() -> None:
    found = fate(patient())
    assert found.outcome is Outcome.RECOVERED
    assert "its journey failed under the fault: POST /orders/{key}: answered 500" in found.why


def test_a_patient_journey_that_passes_under_the_fault_need_not_pass_again() -> None:
    assert fate(patient(waits=False, under_the_fault=True)).outcome is Outcome.SURVIVED


def test_a_patient_journey_that_never_passes_has_not_recovered() -> None:
    found = fate(patient(passes=False))
    assert found.outcome is Outcome.NOT_RECOVERED
    assert found.why == (
        "its journey did not pass again: POST /orders/{key}: answered 500, not 200"
    )


def never_met(name: str) -> Trace:
    """A fault alone that acts, and that an app which serves all the time does not meet."""
    run = OwnAppRun(incident(name).scenario(Role.REPRODUCTION, SHOP))
    run.begin()
    run.starts(1)
    run.ready(1)
    run.tried(1)
    run.healed()
    run.tried(1)
    run.stops(1)
    return run.over()


@pytest.mark.parametrize(
    ("name", "why", "advice"),
    [
        (
            "lock_held:table=nosuch",
            "a fault of postgres acted on it",
            "lock_held:table=NAME, a table of its",
        ),
        ("image_older:table=a,column=b", "acted on it", "a column that its journey asks for"),
        ("memory_limit:limit_mib=4096", "acted on its processes", "give a limit that it exceeds"),
        ("paused", "came to postgres", "give a journey that uses postgres"),
    ],
)
def test_a_fault_alone_that_the_app_did_not_meet_says_what_to_give(
    name: str, why: str, advice: str
) -> None:
    found = fate(never_met(f"fault:{name}"))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert why in found.why
    assert advice in found.advice
