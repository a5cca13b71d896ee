"""Checks of the user's own app, which logs no phases: they are about its whole lives."""

from dataclasses import replace
from typing import Any

import pytest
from crashloop_cases import Case, cases
from crashloop_edits import changed, inserted, moved, sealed, with_header, without
from crashloop_own_apps import (
    HELD,
    LIMIT_S,
    REFUSED,
    TCP,
    OwnAppRun,
    black_hole,
    delayed,
    held,
    hung,
    lazy,
    never_started,
    refused,
    scenario,
    untouched,
)
from crashloop_traces import CONTROL, DATABASE, NO_SLOT, REFUSAL, TARGET

from crashloop.trace.event import Trace

ON_PATH = {"phase": "", "target": TARGET}
REAL_TIME = 1.0
SCALE = 20.0


def run_with(*steps: Any, scale: float = REAL_TIME, start_s: float = 0.3, **params: Any) -> Trace:
    """Three lives of these steps under a fault, each of which then dies; then recovery."""
    run = OwnAppRun(scenario(**params), scale=scale)
    run.begin(start_s=start_s)
    for attempt in (1, 2, 3):
        run.starts(attempt, after_s=start_s)
        for step in steps:
            step(run, attempt)
        run.dies(attempt)
    return run.recovers(4)


def hold(run: OwnAppRun, attempt: int) -> None:
    run.held(attempt, for_s=LIMIT_S)


def hold_ever_longer(run: OwnAppRun, attempt: int) -> None:
    run.held(attempt, for_s=attempt * LIMIT_S)


def wait_2_s(run: OwnAppRun, _: int) -> None:
    run.wait(2.0)


def wait_2_s_at_first(run: OwnAppRun, attempt: int) -> None:
    run.wait(2.0 if attempt == 1 else 0.0)


def open_five_at_once(run: OwnAppRun, attempt: int) -> None:
    links = [run.hold(attempt) for _ in range(5)]
    run.wait(LIMIT_S)
    for link in links:
        run.release(link, attempt, reason="client closed")
        run.closed(link, attempt)


def be_killed(run: OwnAppRun, attempt: int) -> None:
    run.add("supervisor", "process.killed", attempt=attempt, by="startup probe", signal="SIGTERM")


def say_refused(run: OwnAppRun, attempt: int) -> None:
    run.said_refused(attempt, address=TCP)


def be_refused(run: OwnAppRun, _: int) -> None:
    run.add("proxy", "gate.refused", target=TARGET, fault=run.fault, client="127.0.0.1:5")


def refused_in_the_control_life() -> Trace:
    trace = refused(path=DATABASE)
    ready = next(e for e in trace.events if e.kind == "control.ready")
    return inserted(trace, ready, "app", "log.error", attempt=0, error=REFUSAL, by="python")


def get_through(run: OwnAppRun, attempt: int) -> None:
    run.answered(run.connected(attempt), attempt)


def let_go_by_the_heal() -> Trace:
    """The only life that dies is held until the heal, gets through, and then dies."""
    run = OwnAppRun()
    run.begin()
    run.starts(1)
    link = run.hold(1)
    run.wait(90.0)
    run.healed()
    run.release(link, 1)
    run.add("proxy", "link.connected", attempt=1, target=TARGET, link=link)
    run.answered(link, 1)
    run.dies(1)
    run.answered(run.serves(2), 2)
    run.stops(2)
    return run.over()


def syn_let_in() -> Trace:
    """As `let_go_by_the_heal`, with a SYN that is dropped until the heal."""
    return changed(black_hole(deaths=1), "gate.syn_gone", reason="admitted")


LIMIT = cases(
    "died_at_own_limit",
    params={"target": TARGET, "times": 3},
    holds={
        "each life gave a held connection up after 1 s, and died": (
            HELD,
            "3 attempts waited 1.0 s for postgres, gave up and died",
        ),
        "the app tried five times in each life": (held(tries=5), "1.0 s for postgres, 5 times"),
        "a pool that is opened at once is one try": (
            run_with(open_five_at_once),
            "3 attempts waited 1.0 s for postgres, gave up",
        ),
        "SYNs were dropped": (black_hole(), "3 attempts waited 1.0 s for postgres"),
        "each of two replicas did so": (held(replicas=2), "in each of 2 replicas, 3 attempts"),
        "in a busy machine all is slower": (
            run_with(hold, lambda run, _: run.wait(0.6), start_s=0.6),
            "3 attempts waited 1.0 s",
        ),
    },
    refuted={
        "it died twice": (held(deaths=2), "2 attempts waited 1.0 s for postgres, gave up and died"),
        "it never died": (delayed(), "no attempt died on its own"),
        "it was refused, and had nothing to wait for": (
            REFUSED,
            "attempt 1 died without having waited for postgres",
        ),
        "it died long after it had given up": (
            run_with(hold, wait_2_s),
            "attempt 1 died 2.1 s after it had given up waiting",
        ),
        "each life waited for another time": (
            run_with(hold_ever_longer),
            "the attempts waited for postgres for 1.0, 2.0, 3.0 s: that is no one limit",
        ),
        "the platform killed it while it waited": (
            run_with(hold, be_killed),
            "attempt 1 was killed by the platform",
        ),
        "the heal ended its wait": (let_go_by_the_heal(), "died without having waited"),
        "the heal let its SYN in": (syn_let_in(), "died without having waited"),
        "another process waited": (
            changed(HELD, "link.opened", client_pid=7, client_session=7),
            "died without having waited",
        ),
    },
    saw_nothing={
        "somebody else killed it": (
            changed(HELD, "process.exited", attempt=2, exit_code=None, signal="SIGKILL"),
            "attempt 2 was killed by somebody else",
        ),
        "nothing says how the run ended": (without(held(deaths=2), "run.finished"), "not 3"),
    },
)

DIED = [
    *cases(
        "died",
        params={"times": 3},
        holds={
            "any code is a death": (HELD, "3 attempts died with exit 3"),
            "0 is a death": (
                changed(HELD, "process.exited", attempt=2, exit_code=0),
                "3 attempts died with 2 x exit 3, 1 x exit 0",
            ),
            "each of two replicas died": (held(replicas=2), "in each of 2 replicas, 3 attempts"),
        },
        refuted={
            "it died once too often": (held(deaths=4), "4 attempts died with exit 3, not 3"),
            "it died twice": (held(deaths=2), "2 attempts died with exit 3, not 3"),
            "it served all the time": (lazy(), "no attempt ended on its own"),
        },
        saw_nothing={
            "nothing ended": (without(HELD, "process.exited"), "no attempt was seen to end"),
            "the app itself says so": (
                sealed(
                    HELD,
                    [
                        replace(e, source="app") if e.kind == "process.exited" else e
                        for e in HELD.events
                    ],
                ),
                "no attempt was seen to end",
            ),
            "somebody else killed it": (
                changed(HELD, "process.exited", attempt=2, exit_code=137),
                "killed by somebody else",
            ),
        },
    ),
    *cases(
        "died",
        params={"times": 3, "codes": (1, 3)},
        holds={"the entry names the code": (HELD, "3 attempts died with exit 3")},
        refuted={
            "the entry names other codes": (
                changed(HELD, "process.exited", attempt=2, exit_code=4),
                "attempt 2 ended with exit 4, not exit 1 or exit 3",
            ),
        },
    ),
]

CONTROL_LIFE = [
    *cases(
        "control_passed",
        holds={"it was ready and was stopped": (HELD, "without a fault, the app was ready after")},
        saw_nothing={
            "it died": (
                never_started("died", "it exited with 1 before it was ready"),
                "without a fault, it exited with 1 before it was ready",
            ),
            "it was never ready": (without(HELD, "control.ready"), "never shown to start"),
            "nothing says that it was stopped": (without(HELD, "control.ended"), "never shown to"),
            "there was none": (CONTROL, "never shown to start"),
            "the app itself says so": (
                sealed(
                    HELD,
                    [replace(e, source="app") if e.attempt == 0 else e for e in HELD.events],
                ),
                "never shown to start",
            ),
        },
    ),
    *cases(
        "waits_are_declared",
        holds={
            "in real time nothing is scaled": (run_with(hold, wait_2_s), "in real time"),
            "the app waits for its declared limit only": (
                run_with(hold, scale=SCALE, limit_s=20.0),
                "what the app waited for is scaled",
            ),
            "only one of its lives was slow": (
                run_with(hold, wait_2_s_at_first, scale=SCALE, limit_s=20.0),
                "what the app waited for is scaled",
            ),
            "it waits between its tries for no longer than it declares": (
                run_with(hold, lambda run, _: run.wait(1.0), hold, scale=SCALE, limit_s=20.0),
                "what the app waited for is scaled",
            ),
            "the machine is as slow in its lives as in the control life": (
                run_with(hold, scale=SCALE, limit_s=20.0, start_s=4.0),
                "what the app waited for is scaled",
            ),
            "nothing died": (
                with_header(delayed(), time_scale=SCALE),
                "what the app waited for is scaled",
            ),
        },
        saw_nothing={
            "it sleeps on its own before it dies": (
                run_with(hold, wait_2_s, scale=SCALE, limit_s=20.0),
                "for a time that its entry does not declare",
            ),
            "it sleeps on its own between its tries": (
                run_with(say_refused, wait_2_s, say_refused, scale=SCALE, fault="refuse"),
                "add it to `timers`, or run with --real-time",
            ),
            "its limit is longer than it declares": (
                run_with(lambda run, a: run.held(a, for_s=3.0), scale=SCALE, limit_s=20.0),
                "waited 3.0 of its 3.4 s for a time that its entry does not declare",
            ),
            "the control life was never ready": (
                without(with_header(HELD, time_scale=SCALE), "control.ready"),
                "never shown to start",
            ),
        },
    ),
]

RECEIPTS = [
    *cases(
        "faults_have_receipts",
        params=ON_PATH,
        holds={
            "each life that died was held": (HELD, "3 receipts, for 3 failed attempts"),
            "each life of two replicas": (held(replicas=2), "6 receipts, for 6 failed attempts"),
            "nothing died": (delayed(), "1 receipt"),
            "a life that was never ready, and never died": (hung(), "1 receipt"),
            "its log names the address that refused it": (
                refused(address=TCP),
                "3 receipts, for 3 failed attempts, by the app's own word, while the port was",
            ),
            "over a Unix socket no line can name it": (
                refused(path=DATABASE),
                "3 of them do not say whose they are, so they count by their time alone",
            ),
            "over TCP uvloop does not name it": (
                refused(),
                "3 of them do not say whose they are, so they count by their time alone",
            ),
            "it logs nothing, and the gate saw the refusals": (
                run_with(be_refused, fault="refuse"),
                "3 receipts, for 3 failed attempts, by the packets alone, while the port was",
            ),
            "over a Unix socket a line names it all the same": (
                refused(path=DATABASE, address=DATABASE),
                "by the app's own word, while the port was proven shut",
            ),
            "it waits on its own after it was refused, and dies then": (
                run_with(say_refused, wait_2_s, fault="refuse"),
                "3 receipts, for 3 failed attempts",
            ),
            "it gets through and dies at once, as the tries before cost all its time": (
                run_with(hold, get_through),
                "3 receipts, for 3 failed attempts",
            ),
        },
        saw_nothing={
            "it was refused by something in its control life, too": (
                refused_in_the_control_life(),
                "has no client receipt",
            ),
            "of two replicas, nothing says which one the gate refused": (
                run_with(be_refused, fault="refuse", replicas=2),
                "has no client receipt",
            ),
            "the gate refused somebody between two lives": (
                moved(run_with(be_refused, fault="refuse"), "gate.refused", -0.35),
                "has no client receipt",
            ),
            "the line names another address": (
                refused(path=DATABASE, address="tcp:127.0.0.1:1"),
                "has no client receipt",
            ),
            "the control life did not come to it either": (
                refused(path=DATABASE, reaches=False),
                "has no client receipt",
            ),
            "the line is another error": (
                changed(refused(path=DATABASE), "log.error", error=NO_SLOT),
                "has no client receipt",
            ),
            "the gate was never proven shut": (
                without(refused(path=DATABASE), "gate.checked"),
                "has no client receipt",
            ),
            "it never came to the target": (untouched(), "has no direct receipt"),
            "it was touched in its control life only": (
                untouched(reaches=True),
                "has no direct receipt",
            ),
            "one life died untouched": (
                without(HELD, "link.held", attempt=2),
                "attempt 2 died without any receipt",
            ),
            "it got through, and died of something else later": (
                run_with(hold, get_through, wait_2_s),
                "let attempt 1 through to postgres in the last",
            ),
        },
    ),
    *cases(
        "path_used",
        params=ON_PATH,
        holds={
            "each life came to it": (HELD, "4 attempts came through the proxy of postgres"),
            "SYNs were dropped": (black_hole(), "4 attempts came through"),
            "it was refused, by its word": (REFUSED, "3 attempts were refused at the address"),
            "it was refused over a Unix socket": (
                refused(path=DATABASE),
                "3 attempts were refused at the address",
            ),
            "only the gate saw it": (
                run_with(be_refused, fault="refuse"),
                "3 attempts were refused at the address of the proxy of postgres",
            ),
        },
        saw_nothing={
            "nothing was started": (
                never_started("died", "it exited with 1"),
                "no attempt was started, so the path was never used",
            ),
            "its only life never came to it": (untouched(), "attempt 1 never came to the proxy"),
            "one that died never came to it": (
                without(HELD, "link.opened", attempt=2),
                "attempt 2 never came to the proxy of postgres",
            ),
            "it logs nothing of a refusal": (
                without(REFUSED, "log.error"),
                "attempt 1 never came to the proxy of postgres",
            ),
        },
    ),
]


def told_by_the_server(*, client: bool = True) -> Trace:
    """Each life is told by Postgres that it has no slot; without a client, as on Docker."""
    run = OwnAppRun()
    run.begin()
    for attempt in (1, 2, 3):
        run.starts(attempt)
        link = run.connected(attempt)
        via = run.events[-1].data["via"]
        said: dict[str, Any] = {"client": via} if client else {}
        run.add("database", "database.error", target=TARGET, sqlstate="53300", **said)
        run.add("app", "log.error", attempt=attempt, error=NO_SLOT, by="python")
        run.answered(link, attempt)
        run.dies(attempt)
    return run.recovers(4)


OTHERS = [
    *cases(
        "server_said",
        params={**ON_PATH, "errors": ("53300",)},
        holds={
            "to each life that died": (told_by_the_server(), "said 53300 to 3 attempts"),
            "its own log has the same error, and Postgres names no client": (
                told_by_the_server(client=False),
                "said 53300 to 3 attempts",
            ),
        },
        saw_nothing={
            "it said nothing": (HELD, "did not say 53300 to it"),
            "its own log has no such error, and Postgres names no client": (
                without(told_by_the_server(client=False), "log.error", attempt=2),
                "attempt 2 failed",
            ),
            "nothing died": (delayed(), "no attempt died, so postgres had nothing to say"),
        },
    ),
    *cases(
        "recovered",
        params={"phase": ""},
        holds={
            "a later life was ready": (HELD, "attempt 4 answered ready after the heal"),
            "the same life was ready": (hung(), "attempt 1 answered ready after the heal"),
        },
        refuted={
            "a life that began after the heal died": (
                inserted(
                    HELD,
                    HELD.events[-2],
                    "supervisor",
                    "process.exited",
                    attempt=4,
                    exit_code=3,
                    pid=400,
                    run_s=1.0,
                    requested=False,
                ),
                "attempt 4 died after the heal",
            ),
            "it was ready all the time": (lazy(), "was ready before the heal"),
            "it was not back in time": (hung(recovers=False), "never ready after the heal"),
        },
    ),
    *cases(
        "journey_passed",
        holds={
            "a try after the heal passed": (HELD, "the journey passed after the heal"),
            "in each replica": (held(replicas=2), "in each of 2 replicas, the journey passed"),
        },
        refuted={
            "every try after the heal failed": (
                changed(HELD, "journey.tried", attempt=4, passed=False, why="answered 500"),
                "the journey never passed after the heal: answered 500",
            ),
            "only a try before the heal passed": (
                sealed(
                    delayed(),
                    [
                        e
                        for e in delayed().events
                        if not (e.kind == "journey.tried" and e.data["number"] == 3)
                    ],
                ),
                "the journey was not tried after the heal",
            ),
            "the try that passed had begun before the heal": (
                changed(HELD, "journey.tried", attempt=4, took_s=60.0),
                "the journey was not tried after the heal",
            ),
        },
    ),
    *cases(
        "restart_loop",
        params={"restarts": 3},
        holds={"no line has a boot id": (HELD, "restarted the app 3 times")},
        refuted={
            "it has the pid of the one before": (
                changed(HELD, "process.started", attempt=2, pid=100),
                "attempt 2 has the pid of the one before",
            ),
        },
    ),
    *cases(
        "no_port_before_ready",
        params={"by_answers": True},
        holds={"the first answer was ready": (HELD, "the app's port stayed shut")},
        refuted={
            "the first answer was not": (
                changed(HELD, "ready.answered", ready=False, status_code=503),
                "attempt 4 opened its port before it was ready",
            ),
            "it died before it could answer": (
                changed(
                    without(HELD, "ready.answered"), "process.exited", attempt=4, requested=False
                ),
                "attempt 4 opened its port before it was ready",
            ),
        },
        saw_nothing={
            "nobody watched it": (without(HELD, "port.watched"), "was not watched"),
            "it was ended before it could answer": (
                without(HELD, "ready.answered"),
                "attempt 4 was ended before it could answer",
            ),
        },
    ),
]

CASES = [*LIMIT, *DIED, *CONTROL_LIFE, *RECEIPTS, *OTHERS]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_says_what_the_trace_shows(case: Case) -> None:
    case.run()
