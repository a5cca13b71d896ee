"""Who saw a fault act: the report says it in the words of the fault's own receipt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from report_runs import (
    HOLD,
    LOADING,
    LOCKED,
    NO_SLOT,
    OVERLAP,
    REFUSE,
    REFUSED,
    SLOTS,
    STOPPED,
    TAKEN,
    TIME_OUT,
    Told,
)
from report_texts import happened

from crashloop.model import CONTROL, Life
from crashloop.report.events import history_of

LIFE = Life(1, 1)
NOTHING = "Nothing shows that it touched the app or its target."


def told(kind: str, target: str, receipt: dict[str, Any], *, reached: str = "") -> Told:
    """A run with a fault from 0 s to 60 s, whose app comes to the target, or to another."""
    run = Told().ready().fault("trouble", kind, target, receipt, to_s=60)
    run.start(LIFE, -1)
    run.came(LIFE, 0.5, reached or target)
    return run


def test_errors_of_a_database_are_counted_by_their_sqlstate() -> None:
    run = Told().ready().fault("trouble", "slots_taken", "postgres", SLOTS, to_s=60)
    run.death(LIFE, -5, error=NO_SLOT)
    for n in range(12):
        run.add(n + 1, "database", "database.error", target="postgres", sqlstate="53300")
    run.add(20, "database", "database.error", target="postgres", sqlstate="28P01")
    run.add(70, "database", "database.error", target="postgres", sqlstate="53300")

    text = happened(run.end(80))
    assert "Postgres itself refused 12 connections with SQLSTATE 53300." in text
    assert text.count("SQLSTATE 53300") == 1


def test_errors_of_a_database_that_are_no_receipt_are_counted_too() -> None:
    run = Told().ready()
    for n in range(3):
        run.add(n + 1, "database", "database.error", target="postgres", sqlstate="53300")
    run.add(20, "database", "database.error", target="postgres", sqlstate="28P01")
    run.add(20, "app", "database.error", target="postgres", sqlstate="XX000")

    run.add(20, "database", "database.error", target="postgres", sqlstate="42P01")
    assert (
        "Postgres itself refused 3 connections with SQLSTATE 53300, refused 1 connection with "
        "SQLSTATE 28P01 and logged 1 error with SQLSTATE 42P01."
    ) in happened(run.end(80))


@pytest.mark.parametrize(
    ("kind", "target", "receipt", "event", "says"),
    [
        ("loading", "redis", LOADING, "cache.loading", "Redis itself answered -LOADING."),
        ("paused", "postgres", STOPPED, "process.stopped",
         "The processes of Postgres were stopped."),
        ("lock_held", "postgres", LOCKED, "database.lock_waiting",
         "Postgres itself saw a session wait for the lock once."),
        ("lock_orphaned", "postgres", {**LOCKED, "kinds": ["database.orphan_waiting"]},
         "database.orphan_waiting", "Postgres itself saw a session wait for the lock once."),
        ("slow_query", "postgres", {**LOCKED, "kinds": ["database.statement_running"]},
         "database.statement_running", "Postgres itself saw a statement of the app run."),
        ("slots_taken", "postgres", TAKEN, "database.sessions_taken",
         "Postgres itself counted 97 sessions taken and 3 left."),
    ],
)  # fmt: skip
def test_a_server_or_its_system_is_quoted(
    kind: str, target: str, receipt: dict[str, Any], event: str, says: str
) -> None:
    run = told(kind, target, receipt)
    run.add(1, "database", event, target=target, count=97, left=3)

    assert says in happened(run.end(80))


def test_what_a_server_says_of_another_target_or_at_another_time_is_no_receipt() -> None:
    run = told("loading", "redis", LOADING)
    run.add(5, "cache", "cache.loading", target="other")
    run.add(61, "cache", "cache.loading", target="redis")

    assert NOTHING in happened(run.end(80))


def test_a_fault_of_the_replicas_is_shown_by_the_server_that_suffers_from_it() -> None:
    run = told("revision_change", "replicas", OVERLAP, reached="postgres")
    for at_s in (5, 8):  # at one count and at the next
        held = {"postgres": 36}
        run.add(at_s, "database", "revision.overlapping", target="replicas", sessions=held)

    says = "Postgres itself counted 36 sessions of the old revision."
    assert says in happened(run.end(80))


def test_what_a_server_says_during_the_injection_is_a_receipt_too() -> None:
    run = told("loading", "redis", LOADING)
    injected = next(e for e in run.events if e.kind == "fault.injected")
    run.add(-1, "cache", "cache.loading", target="redis")
    trace = run.end(80)
    begun = replace(injected, data={**injected.data, "begun_ns": injected.mono_ns - 10**9})

    assert NOTHING in happened(trace)
    events = tuple(begun if e is injected else e for e in trace.events)
    assert "Redis itself answered -LOADING." in happened(replace(trace, events=events))


def test_links_count_where_they_name_the_fault_and_belong_to_the_app() -> None:
    run = told("hold", "postgres", HOLD)
    link = run.came(LIFE, 1, "postgres")
    run.add(1, "proxy", "link.held", **link, fault="trouble")
    run.add(2, "proxy", "link.held", **link, fault="other")
    run.add(3, "proxy", "link.held", **{**link, "life": None}, fault="trouble")

    assert "It touched the app once, as the proxy shows." in happened(run.end(80))


def test_a_link_of_another_process_than_the_life_s_is_no_receipt() -> None:
    run = told("hold", "postgres", HOLD)
    link: dict[str, Any] = {"life": LIFE, "target": "postgres", "link": "theirs"}
    run.add(1, "proxy", "link.opened", **link, client_pid=4711)
    run.add(1, "proxy", "link.held", **link, fault="trouble")

    assert NOTHING in happened(run.end(80))


def refused_run() -> Told:
    return told("refuse", "postgres", REFUSE).shut("trouble", 0)


def test_a_refusal_is_shown_by_the_apps_own_refused_connection_and_by_no_other_failure() -> None:
    failed, refused, retried = (refused_run() for _ in range(3))
    failed.phase(LIFE, "database", 1, 2, error=TIME_OUT)
    for attempt in (1, 2):
        at: dict[str, Any] = {"life": Life(1, attempt), "address": "unix:/x", "error": REFUSED}
        refused.add(attempt, "app", "phase.failed", phase="database", **at)
    error = [{"type": "OSError", "errno": 111}]
    retried.add(5, "app", "log.error", life=LIFE, error=error, address="unix:/x")

    assert NOTHING in happened(failed.end(80))
    assert "The app's own refused connection shows it." in happened(retried.end(80))
    assert "The app's own refused connections show it, twice." in happened(refused.end(80))


def test_a_refusal_at_another_address_or_before_the_gate_was_shut_is_no_receipt() -> None:
    elsewhere, early = refused_run(), told("refuse", "postgres", REFUSE).shut("trouble", 30)
    elsewhere.add(5, "app", "log.error", life=LIFE, error=REFUSED, address="tcp:127.0.0.1:9")
    early.add(5, "app", "log.error", life=LIFE, error=REFUSED, address="unix:/x")

    assert NOTHING in happened(elsewhere.end(80))
    assert NOTHING in happened(early.end(80))


def test_a_refusal_that_names_no_address_is_marked_as_weaker() -> None:
    run = refused_run()
    run.add(-9, "proxy", "link.opened", life=CONTROL, target="postgres", link="control")
    run.add(5, "app", "log.error", life=LIFE, error=REFUSED)

    said = "The app's own refused connection shows it. The app named no address, so this is weaker"
    assert said in happened(run.end(80))


def test_a_receipt_that_the_app_logs_about_a_server_is_none() -> None:
    run = told("loading", "redis", LOADING)
    run.add(5, "cache", "cache.loading", target="redis")
    trace = run.end(80)
    claimed = [replace(e, source="app") if e.kind == "cache.loading" else e for e in trace.events]

    assert history_of(trace).faults[0].receipts == 1
    assert history_of(replace(trace, events=tuple(claimed))).faults[0].receipts == 0


def test_a_dependency_with_a_name_of_its_own_is_shown_with_its_kind_and_name() -> None:
    run = told("loading", "sessions", LOADING)
    run.header["scenario"]["dependencies"].append(
        {"name": "sessions", "kind": "redis", "transport": "tcp"}
    )
    run.add(5, "cache", "cache.loading", target="sessions")

    assert "Redis (sessions) itself answered -LOADING." in happened(run.end(80))
