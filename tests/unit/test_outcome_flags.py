"""What else an outage showed of the user's own app."""

from typing import Any

import pytest
from crashloop_edits import changed, inserted, with_scenario, without
from crashloop_own_apps import HELD, OwnAppRun, delayed, hung, lazy, scenario
from crashloop_traces import TARGET

from crashloop.model import Flag
from crashloop.outcome import fate_of
from crashloop.trace.event import NOT_BACK_IN_TIME, Trace


def flags(trace: Trace) -> dict[Flag, str]:
    found = fate_of(trace)
    assert found is not None
    return found.flags


def with_app(trace: Trace, **fields: Any) -> Trace:
    return with_scenario(trace, app={**trace.scenario["app"], **fields})


def test_a_run_that_shows_nothing_besides_has_no_flag() -> None:
    assert flags(HELD) == {}
    assert flags(delayed()) == {}


def test_an_app_that_calls_itself_ready_while_its_journey_fails_is_broken() -> None:
    why = "POST /orders/{key}: TimeoutError: no answer within 5 s"
    assert flags(lazy()) == {
        Flag.READY_BUT_BROKEN: f"it called itself ready while its journey failed ({why})"
    }


def test_an_app_that_says_that_it_is_not_ready_is_not_broken() -> None:
    trace = lazy()
    tried = next(e for e in trace.events if e.kind == "journey.tried" and e.attempt == 1)
    before = trace.events[trace.events.index(tried) - 1]
    honest = inserted(
        trace, before, "harness", "ready.answered", attempt=1, ready=False, status_code=503,
    )  # fmt: skip
    assert Flag.READY_BUT_BROKEN not in flags(honest)


def test_a_try_that_failed_because_its_life_died_is_no_broken_promise() -> None:
    run = OwnAppRun()
    run.begin()
    run.starts(1)
    run.ready(1)
    run.held(1)
    run.exited(1)
    run.tried(1, why="the app ended")
    run.restarting(1)
    assert Flag.READY_BUT_BROKEN not in flags(run.recovers(2))


@pytest.mark.parametrize("says_so", [False, True], ids=["it dies", "it says that it is not ready"])
def test_a_try_that_failed_a_moment_before_is_none_either(*, says_so: bool) -> None:
    run = OwnAppRun()
    run.begin()
    run.starts(1)
    run.ready(1)
    run.held(1)
    run.tried(1, why="POST /orders/{key}: ConnectError: All connection attempts failed")
    if says_so:
        run.add("harness", "ready.answered", attempt=1, ready=False, status_code=None)
        run.wait(5.0)
    run.dies(1)
    assert Flag.READY_BUT_BROKEN not in flags(run.recovers(2))


def test_an_app_that_dies_long_after_its_journey_failed_was_broken() -> None:
    run = OwnAppRun()
    run.begin()
    run.starts(1)
    run.ready(1)
    run.held(1)
    run.tried(1, why="POST /orders/{key}: answered 500")
    run.wait(5.0)
    run.dies(1)
    assert Flag.READY_BUT_BROKEN in flags(run.recovers(2))


@pytest.mark.parametrize(
    ("field", "flag"), [("lost", Flag.DATA_LOST), ("doubled", Flag.DATA_DOUBLED)]
)
def test_data_from_before_the_fault_that_is_not_there_once_is_named(field: str, flag: Flag) -> None:
    data: dict[str, Any] = {"lost": [], "doubled": [], "checked": 2}
    says = ["GET /orders/1: answered 404", "GET /orders/2: answered 404"]
    trace = inserted(
        HELD, HELD.events[-4], "harness", "before.checked", attempt=4, **{**data, field: says}
    )
    assert flags(trace) == {flag: "; ".join(says)}
    whole = inserted(HELD, HELD.events[-4], "harness", "before.checked", attempt=4, **data)
    assert flags(whole) == {}


def test_connections_that_a_life_left_are_counted() -> None:
    trace = changed(HELD, "database.backends", attempt=2, count=3)
    assert flags(trace)[Flag.CONNECTIONS_LEFT] == "attempt 2 left 3 connections in postgres"


def told(sqlstate: str, *, clients: int, life: int = 1, control: bool = False) -> Trace:
    """Postgres tells one life an error, once for each of its connections."""
    run = OwnAppRun(scenario())
    run.begin()
    if control:
        run.add("database", "database.error", target=TARGET, attempt=0, sqlstate=sqlstate)
    run.starts(1)
    run.held(1)
    for _ in range(clients):
        link = run.connected(1)
        client = run.events[-1].data["via"]
        said = {"sqlstate": sqlstate, "client": client}
        run.add("database", "database.error", target=TARGET, attempt=life, **said)
        run.answered(link, 1)
    run.dies(1)
    return run.recovers(2)


@pytest.mark.parametrize("sqlstate", ["28P01", "3D000", "42501"])
def test_an_app_that_connects_again_after_what_stays_has_retried_a_permanent_error(
    sqlstate: str,
) -> None:
    assert flags(told(sqlstate, clients=4)) == {
        Flag.RETRIED_PERMANENT: f"it tried again 3 times after SQLSTATE {sqlstate}, which stays"
    }


@pytest.mark.parametrize(
    "trace",
    [
        told("28P01", clients=1),
        told("57P03", clients=4),
        told("53300", clients=4),
        told("42P01", clients=4, control=True),
    ],
    ids=["told once", "starting up", "no slot", "usual without a fault"],
)
def test_other_errors_are_no_permanent_error_that_was_retried(trace: Trace) -> None:
    assert Flag.RETRIED_PERMANENT not in flags(trace)


def test_several_errors_on_one_connection_are_no_retry() -> None:
    trace = told("42P01", clients=1)
    said = next(e for e in trace.events if e.kind == "database.error")
    again = inserted(
        trace, said, "database", "database.error", attempt=1, target=TARGET, **said.data
    )
    assert Flag.RETRIED_PERMANENT not in flags(again)


def test_a_control_life_that_ignored_sigterm_is_named() -> None:
    trace = changed(HELD, "control.ended", sigterm_ignored=True, exit_code=None, signal="SIGKILL")
    says = "it was ready, and did not end within 10 s of SIGTERM"
    assert flags(trace)[Flag.SIGTERM_IGNORED] == says


def killed_at_start(*, grace_s: float, ready: bool = False) -> Trace:
    """A probe's SIGTERM, and SIGKILL `grace_s` later, in a life that waits for Postgres."""
    run = OwnAppRun()
    run.begin()
    run.starts(1)
    if ready:
        run.ready(1)
    link = run.hold(1)
    for signal in ("SIGTERM", "SIGKILL"):
        run.add("supervisor", "process.killed", attempt=1, by="startup probe", signal=signal)
        run.wait(grace_s if signal == "SIGTERM" else 0.0)
    run.exited(1, code=None, signal="SIGKILL")
    run.closed(link, 1)
    run.restarting(1)
    return run.recovers(2)


AT_START = "attempt 1 was starting, and did not end at SIGTERM"


def test_a_life_that_ignored_sigterm_while_it_started_is_named() -> None:
    assert flags(killed_at_start(grace_s=10.0)) == {Flag.SIGTERM_IGNORED_AT_START: AT_START}


def test_a_grace_period_that_was_scaled_to_nothing_shows_nothing() -> None:
    assert flags(killed_at_start(grace_s=0.5)) == {}


def test_a_life_that_had_been_ready_was_not_starting() -> None:
    assert Flag.SIGTERM_IGNORED_AT_START not in flags(killed_at_start(grace_s=10.0, ready=True))


@pytest.mark.parametrize("how", [{"code": None, "signal": "SIGKILL"}, {"code": 137}])
def test_a_life_that_the_run_had_to_kill_ignored_sigterm_as_well(how: dict[str, Any]) -> None:
    run = OwnAppRun()
    run.begin()
    run.starts(1)
    run.hold(1)
    run.healed()
    run.stops(1, **how)
    assert flags(run.over(NOT_BACK_IN_TIME)) == {Flag.SIGTERM_IGNORED_AT_START: AT_START}
    assert flags(hung(recovers=False)) == {}


PORT = "its port accepted connections before it was ready, so a TCP probe passes too early"


def opened_early() -> Trace:
    return changed(HELD, "ready.answered", attempt=4, ready=False, status_code=503)


def test_a_port_that_is_open_before_the_app_is_ready_is_reported() -> None:
    assert flags(opened_early()) == {Flag.PORT_BEFORE_READY: PORT}
    found = fate_of(opened_early())
    assert found is not None
    assert found.port_before_ready is True


def test_a_port_of_a_life_that_died_before_it_answered_was_open_too_early() -> None:
    closed = next(e for e in HELD.events if e.kind == "link.held")
    trace = inserted(HELD, closed, "harness", "port.opened", attempt=1, port=1)
    assert flags(trace) == {Flag.PORT_BEFORE_READY: PORT}


def test_a_port_that_somebody_else_had_taken_was_not_opened_by_the_app() -> None:
    closed = next(e for e in HELD.events if e.kind == "link.held")
    trace = inserted(HELD, closed, "harness", "port.opened", attempt=1, port=1)
    trace = inserted(trace, closed, "harness", "process.port_taken", attempt=1, target="replicas")
    assert flags(trace) == {}


def test_an_entry_that_allows_it_is_not_told_so() -> None:
    assert flags(with_app(opened_early(), port_before_ready="allow")) == {}


@pytest.mark.parametrize(
    "trace",
    [
        with_app(opened_early(), ready={"path": "", "log": ""}),
        without(HELD, "port.opened", "port.watched"),
        without(HELD, "ready.answered", "port.watched"),
    ],
    ids=["the port is what says that it is ready", "nobody watched it", "stopped before an answer"],
)
def test_nothing_shows_whether_the_port_opened_early(trace: Trace) -> None:
    found = fate_of(trace)
    assert found is not None
    assert found.port_before_ready is None
    assert Flag.PORT_BEFORE_READY not in found.flags


def test_a_port_that_never_opened_was_not_open_too_early() -> None:
    found = fate_of(without(HELD, "port.opened"))
    assert found is not None
    assert found.port_before_ready is False


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])  # noqa: S104  what an app may listen on
def test_an_app_that_listens_on_every_interface_is_told_so(address: str) -> None:
    trace = changed(HELD, "control.ended", listens_on=["127.0.0.1", address])
    says = f"it listens on {address}, so on every interface of this machine"
    assert flags(trace) == {Flag.LISTENS_ON_ALL: says}


def test_flags_come_in_their_own_order() -> None:
    trace = changed(lazy(), "database.backends", count=1)
    trace = changed(trace, "control.ended", sigterm_ignored=True, listens_on=["::"])
    assert list(flags(trace)) == [
        Flag.READY_BUT_BROKEN,
        Flag.CONNECTIONS_LEFT,
        Flag.SIGTERM_IGNORED,
        Flag.LISTENS_ON_ALL,
    ]
