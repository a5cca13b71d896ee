"""The report of several replicas: rows, groups of the same fate, an old revision, kills."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_runs import (
    HOLD,
    NO_SLOT,
    SLOTS,
    TIME_OUT,
    Told,
    killed_by_the_probe,
    three_replicas,
)
from report_texts import happened, timeline_text

from crashloop.model import Life
from crashloop.report.drawing import timeline
from crashloop.report.events import history_of
from crashloop.report.glyphs import ASCII
from crashloop.report.lines import plain


def rows(text: str, head: str) -> list[str]:
    return [one for one in text.split("\n") if one.startswith(head)]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_three_replicas_of_four_attempts_and_an_old_revision_can_be_read(width: int) -> None:
    drawn = timeline_text(three_replicas(), width)

    assert max(map(len, drawn.split("\n"))) <= width
    assert [one.rstrip() for one in rows(drawn, "replica")] == [
        "replica 1", "replica 2", "replica 3", "replica 4 old",
    ]  # fmt: skip
    for attempt in (1, 2, 3):
        died = rows(drawn, f" attempt {attempt} ")
        assert len([one for one in died if "✗ exit 3" in one]) == 3
    assert len([one for one in rows(drawn, " attempt 4") if one.endswith("ready")]) == 3
    assert len(rows(drawn, " attempt")) == 13


def test_an_old_instance_is_drawn_as_ready_until_it_is_replaced_and_the_legend_names_it() -> None:
    drawn = timeline_text(three_replicas())

    old = drawn.split("replica 4 old\n")[1].split("\n")[0]
    assert "●═" in old
    assert old.endswith("═ stopped")
    assert "old: of the revision before" in drawn
    assert "old:" not in timeline_text(killed_by_the_probe())


def test_many_attempts_of_several_replicas_have_one_row_for_each_replica() -> None:
    drawn = timeline_text(three_replicas(deaths=8), 60)

    assert not rows(drawn, " attempt")
    for one in rows(drawn, "replica")[:3]:
        assert one.count("✗") == 8
        assert one.endswith("ready")


def test_replicas_that_find_no_row_are_counted() -> None:
    run = Told(replicas=30).ready()
    for number in range(1, 31):
        run.served(Life(number, 1), 0, until_s=60)

    drawn = timeline_text(run.end(60))

    assert len(rows(drawn, "replica ")) == 20
    assert "10 more replicas not shown" in drawn


def test_attempts_that_a_live_view_has_forgotten_are_counted() -> None:
    trace = three_replicas(deaths=8)
    kept = [e for e in trace.events if e.attempt is None or e.attempt > 5 or e.replica == 4]

    drawn = timeline_text(replace(trace, events=tuple(kept)))

    assert "15 earlier attempts not shown" in drawn


def test_a_faults_row_is_labelled_with_its_target() -> None:
    run = Told(replicas=2).ready()
    run.fault("scaling", "hold", "postgres", HOLD, to_s=20)
    run.fault("slow", "hold", "redis", HOLD, from_s=10, to_s=30)
    run.served(Life(1, 1), 0, until_s=60)

    drawn = timeline_text(run.end(60))

    assert "scaling: hold" in rows(drawn, "postgres")[0]
    assert rows(drawn, "redis")[0].endswith("◆ healed")


def test_a_fault_that_has_the_name_of_its_kind_is_named_once() -> None:
    run = Told().ready()
    run.fault("killed", "killed", "postgres", HOLD, to_s=20)
    run.fault("hold", "hold", "postgres", HOLD, from_s=40, to_s=60, delay_s=5.0)
    run.served(Life(1, 1), 0, until_s=80)
    text = happened(run.end(80))

    assert "Fault killed was injected. " in text
    assert "Fault hold was injected: delay 5 s. " in text


def test_a_fault_that_is_injected_for_each_life_has_one_row_and_one_sentence() -> None:
    run = Told().ready()
    run.fault("scaling", "hold", "postgres", HOLD, to_s=20, delay_s=5.0)
    run.fault("scaling", "hold", "postgres", HOLD, from_s=40, to_s=60, delay_s=5.0)
    run.served(Life(1, 1), 0, until_s=80)
    trace = run.end(80)

    row = rows(timeline_text(trace), "postgres")
    assert len(row) == 1
    assert row[0].count("◆") == 2
    text = happened(trace)
    assert "Fault scaling was injected twice: hold, delay 5 s." in text
    assert (
        "Fault scaling was healed twice, the last time at 60 s (3.0 s here), trigger: enough."
        in text
    )


@pytest.mark.parametrize("width", [60, 120])
def test_a_failed_probe_and_the_kills_are_drawn_before_the_end(width: int) -> None:
    drawn = timeline_text(killed_by_the_probe(), width)

    for one in rows(drawn, " attempt")[1:]:
        bar = one.split("✗")[0]
        assert "▼†" in bar
        assert bar.count("†") == 2
        assert "✗ SIGKILL" in one
        assert ("databas" in one) is ("database" in one)
    assert "▼ probe failed" in drawn
    assert "† signal from the platform" in drawn
    plain(timeline(history_of(killed_by_the_probe()), glyphs=ASCII)).encode("ascii")


def test_what_was_not_drawn_is_not_in_the_legend() -> None:
    assert "probe failed" not in timeline_text(three_replicas())
    assert "signal" not in timeline_text(three_replicas())


def test_replicas_of_the_same_fate_are_told_together() -> None:
    text = happened(three_replicas())

    assert (
        "Replicas 1 to 3, attempts 1 to 3: phase database failed after 20.0 s (its limit: 20 s) "
        "with TimeoutError; each process died with exit 3, and the platform (a model of docker) "
        "restarted them"
    ) in text
    assert "Replicas 1 to 3 were ready between 104 s (5.2 s here) and 106 s (5.3 s here)" in text
    assert (
        "The journey passed in replicas 1 to 3: WebSocket /ws answered; GET /items answered."
        in text
    )


def test_things_are_told_in_order_of_time() -> None:
    text = happened(three_replicas())

    told = [
        "Replica 4, an instance of the old revision, ran",
        "Fault scaling was injected",
        "Replicas 1 to 3, attempts 1 to 3: phase database failed",
        "Fault scaling was healed",
        "Replicas 1 to 3, attempt 4: 1 phase completed",
        "Replicas 1 to 3 were ready",
    ]
    assert [one for _, one in sorted((text.index(one), one) for one in told)] == told


def test_an_app_that_serves_before_the_heal_is_told_before_it() -> None:
    run, life = Told().ready(), Life(1, 1)
    run.fault("down", "hold", "postgres", HOLD, to_s=60)
    run.start(life, 0)
    run.phase(life, "database", 5, 25, error=TIME_OUT)
    run.add(30, "harness", "ready.answered", life=life, ready=False, status_code=200)
    run.add(65, "harness", "ready.answered", life=life, ready=True, status_code=200)

    text = happened(run.end(80))

    told = ["Attempt 1 served from 30 s", "Fault down was healed", "Attempt 1 was ready at 65 s"]
    assert [one for _, one in sorted((text.index(one), one) for one in told)] == told


def test_replicas_that_needed_more_attempts_than_others_are_told_together_too() -> None:
    run = Told(replicas=3).ready()
    for replica, deaths in ((1, 2), (2, 4), (3, 3)):
        begin_s = 0.0
        for attempt in range(1, deaths + 1):
            begin_s = run.death(Life(replica, attempt), begin_s)
        run.served(Life(replica, deaths + 1), begin_s, until_s=200)

    text = happened(run.end(200))

    assert "Replicas 1 to 3, 2 to 4 attempts each from attempt 1 on: phase database" in text


def test_a_replica_that_was_not_restarted_is_told_apart_from_one_that_was() -> None:
    run = Told(replicas=2).ready()
    run.death(Life(1, 1), 0)
    end_s = run.death(Life(2, 1), 0)
    run.served(Life(2, 2), end_s, until_s=80)

    text = happened(run.end(80))

    assert "Attempt 1 of replica 1: phase database failed" in text
    assert "the platform (a model of docker) did not restart it before the run ended." in text
    assert "Attempt 1 of replica 2: phase database failed" in text
    assert "the platform restarted it." in text


def test_the_replicas_that_served_while_another_died_are_named() -> None:
    run = Told(replicas=3).ready()
    run.fault("full", "slots_taken", "postgres", SLOTS, to_s=60)
    run.served(Life(1, 1), -20, until_s=100)
    run.served(Life(2, 1), -20, until_s=100)
    end_s = run.death(Life(3, 1), 0, took_s=0.1, error=NO_SLOT)
    run.death(Life(3, 2), end_s, took_s=0.1, error=NO_SLOT)

    text = happened(run.end(100, "the platform gave up"))

    assert "Attempts 1 and 2 of replica 3: phase database failed after 5 ms here" in text
    assert "with TooManyConnectionsError [53300]; the process died with exit 3 each time" in text
    assert "restarted it once and then no more, while replicas 1 and 2 served." in text
    assert "No attempt of replica 3 became ready." in text


def test_a_start_that_a_probe_ended_is_told_with_the_probe_and_its_signals() -> None:
    text = happened(killed_by_the_probe())

    assert (
        "Attempts 1 and 2 of replica 2: 300 s after the start, in phase database, the start-up "
        "probe had failed 30 times; the platform (a model of docker) sent SIGTERM, and SIGKILL "
        "30 s later; the process ended with SIGKILL each time, and the platform restarted it once "
        "before the run ended, while replica 1 served."
    ) in text


def test_a_kill_after_the_start_up_is_told_with_the_age_of_the_process() -> None:
    run, life = Told().ready(), Life(1, 1)
    run.start(life, 0)
    run.phase(life, "database", 5, 8)
    run.add(10, "harness", "ready.answered", life=life, ready=True, status_code=200)
    run.add(
        99, "supervisor", "probe.failed", life=life, probe="liveness", failures=3, after_s=99 / 20
    )
    run.add(
        100, "supervisor", "process.killed", life=life, by="liveness probe", signal="SIGTERM",
        grace_s=1.5,
    )  # fmt: skip
    run.exit(life, 101, code=0)
    run.start(Life(1, 2), 102)

    text = happened(run.end(120))

    assert (
        "Attempt 1: 1 phase completed, the last one database; 99 s after the start the liveness "
        "probe had failed 3 times; the platform (a model of docker) sent SIGTERM; the process "
        "ended with exit 0, and the platform restarted it."
    ) in text


def test_a_probe_that_killed_nothing_is_told_on_its_own() -> None:
    run, life = Told(replicas=2).ready(), Life(2, 1)
    run.served(Life(1, 1), 0, until_s=60)
    run.start(life, 0)
    run.add(40, "supervisor", "probe.failed", life=life, probe="readiness", failures=3, after_s=2.0)

    assert (
        "The readiness probe of attempt 1 of replica 2 had failed 3 times in a row by 40 s (2.0 s "
        "here)."
    ) in happened(run.end(60))


def test_an_old_revision_is_told_apart_from_the_new_one() -> None:
    text = happened(three_replicas())

    assert (
        "Replica 4, an instance of the old revision, ran beside the new one from 0 s (0.0 s here) "
        "until 116 s (5.8 s here), and served."
    ) in text
    assert "restarted them, while replica 4 of the old revision served." in text


def test_an_old_revision_that_was_not_seen_to_be_ready_is_not_said_to_serve() -> None:
    run = Told(replicas=1, overlap=2).ready()
    run.start(Life(2, 1), 0, revision="old")
    run.start(Life(3, 1), 0, revision="old")
    who = "Replicas 2 and 3, instances of the old revision,"
    beside = f"{who} ran beside the new one from 0 s (0.0 s here) on"

    assert f"{beside}." in happened(run.trace())

    run.add(10, "harness", "ready.answered", life=Life(3, 1), ready=True, status_code=200)
    assert f"{beside}, and replica 3 served." in happened(run.trace())


def test_a_trace_without_an_end_says_how_far_it_goes_and_no_more() -> None:
    died = Told(replicas=2).ready()
    for replica in (1, 2):
        died.death(Life(replica, 2), died.death(Life(replica, 1), 0))

    text = happened(died.trace())

    assert "the platform (a model of docker) restarted each once, as far as the trace goes." in text
    assert "No attempt of replicas 1 and 2 became ready, as far as the trace goes." in text
    assert "no more" not in text
    not_started = happened(Told().ready().trace())
    assert "The app was never started, as far as the trace goes." in not_started
    assert "were not up, as far as the trace goes" in happened(Told().trace())


def test_a_replica_that_the_platform_gave_up_is_known_to_be_over_without_the_runs_end() -> None:
    run = Told(replicas=2).ready()
    run.served(Life(1, 1), 0, until_s=60)
    run.death(Life(2, 1), 0)
    run.add(30, "supervisor", "restart.gave_up", life=Life(2, 1), reason="restarted 0 times")

    text = happened(run.trace())

    assert "the platform (a model of docker) did not restart it, while replica 1 served." in text
    assert "The platform gave up replica 2: restarted 0 times." in text


def test_a_journey_that_failed_or_came_to_a_halt_says_where() -> None:
    run = Told(replicas=3).ready()
    for replica in (1, 2, 3):
        run.served(Life(replica, 1), 0, until_s=60)
    run.journey(Life(1, 1), 20)
    run.journey(Life(2, 1), 20, passed=1)
    run.journey(Life(3, 1), 20, passed=1)
    run.add(40, "harness", "journey.failed", life=Life(3, 1), why="answered 500, not 200")

    for at_s, why, answered in ((41, "answered 403", True), (50, "ConnectError", False)):
        run.add(
            at_s, "harness", "journey.waiting", life=Life(2, 1), step=2, of=2,
            why=f"GET /items: {why}", answered=answered,
        )  # fmt: skip

    text = happened(run.end(60))

    assert "The journey passed in replica 1:" in text
    assert "The journey passed 1 of 2 steps in replica 2: WebSocket /ws answered; step 2 " in text
    assert "step 2 did not pass: GET /items: answered 403." in text
    assert "The journey failed in replica 3 after 1 of 2 steps: answered 500, not 200." in text


def test_lives_of_one_fate_may_have_completed_different_phases_before() -> None:
    run = Told().ready()
    end_s = run.death(Life(1, 1), 0)
    life = Life(1, 2)
    run.start(life, end_s)
    run.phase(life, "database", end_s + 1, end_s + 21, error=TIME_OUT)
    run.exit(life, end_s + 22)

    assert "Attempts 1 and 2: phase database failed after 20.0 s" in happened(run.end(80))


def test_lines_that_an_app_logs_are_not_taken_for_the_platforms() -> None:
    trace = three_replicas()
    claims = [replace(e, source="app") for e in trace.events if e.kind == "process.exited"]
    honest = [e for e in trace.events if e.kind != "process.exited"]

    history = history_of(replace(trace, events=(*honest, *claims)))

    assert not [life for life in history.lives if life.exit]
