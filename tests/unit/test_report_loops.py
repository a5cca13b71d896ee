"""What a report says of the starts and deaths of a run, in sentences and as JSON."""

from __future__ import annotations

import io
from typing import Any

import pytest
from crashloop_edits import changed
from crashloop_own_apps import OwnAppRun, delayed, scenario
from crashloop_traces import CONTROL, REPRODUCTION, reproduction

from crashloop.commands.page import run_page
from crashloop.judge import judge
from crashloop.loops import loops_of
from crashloop.model import Pattern, RecoveryTime, ReplicaLoop
from crashloop.report.data import run_document
from crashloop.report.events import history_of
from crashloop.report.lines import plain
from crashloop.report.loops import loop_document, loop_sentences
from crashloop.report.summary import Where
from crashloop.report.terminal import Terminal
from crashloop.trace.event import DEADLINE_PASSED, Trace


def said(trace: Trace) -> list[str]:
    return list(loop_sentences(loops_of(trace), history_of(trace)))


def said_of(*loops: ReplicaLoop) -> list[str]:
    return list(loop_sentences(loops, history_of(REPRODUCTION)))


def a_loop(replica: int = 1, **fields: Any) -> ReplicaLoop:
    """A loop of three deaths, each 20 s after the start."""
    usual: dict[str, Any] = {"pattern": Pattern.RESTART_LOOP, "why": "so it was", "looped": True}
    usual |= {"deaths": 3, "cycles_s": (20.0, 20.0)}
    return ReplicaLoop(replica=replica, **(usual | fields))


def recovery(**parts: float) -> RecoveryTime:
    return RecoveryTime(**({"policy_s": 0.0, "syn_s": 0.0, "app_s": 0.0, "rest_s": 0.0} | parts))


def test_a_loop_is_told_with_its_pace_its_reset_and_the_recovery() -> None:
    reason = "ran 10 s or more: the back-off starts over"
    trace = changed(REPRODUCTION, "process.exited", run_incident_s=20.4)
    trace = changed(trace, "restart.scheduled", attempt=2, reason=reason)
    loop, recovered = said(trace)
    assert loop == (
        "Restart loop: 3 deaths, a start every 20.5 s (176 an hour). The back-off starts over "
        "after a run of 10 s or more, and did so here."
    )
    assert recovered == (
        "Recovery took 0.7 s with real work as long as it was: 0.7 s of the app's own start."
    )


@pytest.mark.parametrize(
    ("fields", "ends"),
    [
        ({}, "(180 an hour)."),
        ({"resets": "a run of 600 s"}, "after a run of 600 s, which did not happen here."),
        ({"resets": "a run of 10 s", "was_reset": True}, "after a run of 10 s, and did so here."),
        (
            {"resets": "nothing: it is always 5 s"},
            "resets the back-off: nothing: it is always 5 s.",
        ),
        ({"resets": "unknown: unpublished"}, "What resets the back-off: unknown: unpublished."),
        ({"pattern": Pattern.GAVE_UP}, "(180 an hour), until the platform gave up."),
        ({"cycles_s": ()}, "Restart loop: 3 deaths."),
        ({"deaths": 1, "cycles_s": ()}, "Restart loop: 1 death."),
    ],
)
def test_a_loop_says_what_is_known_and_no_more(fields: dict[str, Any], ends: str) -> None:
    (sentence,) = said_of(a_loop(**fields))
    assert sentence.endswith(ends)


def test_the_parts_of_a_recovery_that_took_no_time_are_left_out() -> None:
    time = recovery(policy_s=12.0, syn_s=1.5, app_s=0.7, rest_s=0.04)
    (_, sentence) = said_of(a_loop(recovery=time))
    assert sentence == (
        "Recovery took 14.2 s with real work as long as it was: 12.0 s of back-off, 1.5 s of "
        "waiting for the kernel's next SYN and 0.7 s of the app's own start."
    )
    assert said_of(a_loop(recovery=recovery()))[1] == (
        "Recovery took 0.0 s with real work as long as it was."
    )
    assert "0.3 s of lives that still died" in said_of(a_loop(recovery=recovery(rest_s=0.3)))[1]


def test_in_real_time_real_work_needs_no_word() -> None:
    assert "real work" not in " ".join(said(reproduction(scale=1.0)))


def test_replicas_of_the_same_fate_share_a_sentence() -> None:
    loops = [a_loop(1), a_loop(2, deaths=4, cycles_s=(25.0,)), a_loop(3, was_reset=True)]
    first, second = said_of(*loops)
    assert first == (
        "Replicas 1 and 2: restart loop: 3 to 4 deaths, a start every 20.0 to 25.0 s (144 to "
        "180 an hour)."
    )
    assert second.startswith("Replica 3: restart loop: 3 deaths")


def test_many_replicas_make_no_long_page() -> None:
    loops = [a_loop(number, deaths=number, cycles_s=(20.0 + number,)) for number in range(1, 51)]
    (sentence,) = said_of(*loops)
    assert sentence == (
        "Replicas 1 to 50: restart loop: 1 to 50 deaths, a start every 21.0 to 70.0 s (51 to 171 "
        "an hour)."
    )
    silent = [
        ReplicaLoop(replica=n, pattern=Pattern.SILENT_EXIT, why=f"reason {n}") for n in range(1, 51)
    ]
    assert len(said_of(*silent)) == 12


@pytest.mark.parametrize(
    ("pattern", "begins"),
    [
        (Pattern.SLOW_START, "Slow start, no loop: so it was."),
        (Pattern.CRASH_AFTER_READY, "Crash after ready, no loop at start-up: so it was."),
        (Pattern.SILENT_EXIT, "Silent exit: so it was."),
        (Pattern.SILENT_ALIVE, "Silent failure: so it was."),
    ],
)
def test_what_is_no_loop_is_named_with_its_reason(pattern: Pattern, begins: str) -> None:
    assert said_of(ReplicaLoop(replica=1, pattern=pattern, why="so\x1b[31m it was")) == [begins]


@pytest.mark.parametrize("pattern", [Pattern.STARTED, Pattern.GAVE_UP, None])
def test_what_the_report_says_elsewhere_needs_no_sentence(pattern: Pattern | None) -> None:
    assert said_of(ReplicaLoop(replica=1, pattern=pattern, why="so it was")) == []
    assert said(CONTROL) == []


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_page_of_a_run_shows_it_below_what_happened(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = run_page(
        REPRODUCTION, judge(REPRODUCTION), Terminal(io.StringIO()), Where(folder="kept")
    )
    texts = [plain([one]) for one in lines]
    begins = texts.index("What happened")
    loop = next(n for n, text in enumerate(texts) if "Restart loop: 3 deaths" in text)
    verdict = next(n for n, text in enumerate(texts) if "REPRODUCED" in text)
    assert begins < loop < verdict
    assert max(map(len, texts[begins:verdict])) <= width
    assert "Recovery took" in "".join(texts[loop:verdict])


def test_json_has_a_record_of_each_replica() -> None:
    document = run_document(REPRODUCTION, judge(REPRODUCTION), artifacts="kept")
    (loop,) = document["loops"]
    assert (loop["replica"], loop["pattern"], loop["looped"]) == (1, "restart_loop", True)
    assert (loop["starts"], loop["deaths"], len(loop["cycles_s"])) == (4, 3, 3)
    assert loop["starts_per_hour"] == pytest.approx(3600 / loop["cycle_s"], abs=0.1)
    parts = loop["recovery"]
    assert parts.pop("total_s") == pytest.approx(sum(parts.values()))
    assert set(parts) == {"policy_s", "syn_s", "app_s", "rest_s"}


def test_json_has_nothing_where_nothing_is_known() -> None:
    document = run_document(CONTROL, judge(CONTROL), artifacts="kept")
    (loop,) = document["loops"]
    assert loop["pattern"] == "started"
    assert {loop[name] for name in ("cycle_s", "starts_per_hour", "was_reset", "recovery")} == {
        None
    }
    run = OwnAppRun(scenario())
    run.begin()
    (loop,) = run_document(run.over(DEADLINE_PASSED), judge(CONTROL), artifacts="")["loops"]
    assert loop["pattern"] is None


def test_json_is_bounded() -> None:
    cycles_s = tuple(map(float, range(250)))
    document = loop_document(a_loop(cycles_s=cycles_s, why="x" * 1000))
    assert document["cycles_s"] == list(cycles_s[50:])
    assert len(document["why"]) == 500


def test_one_death_is_told_as_no_loop_with_its_recovery() -> None:
    no_loop, recovered = said(reproduction(deaths=1))
    assert no_loop == "No restart loop: attempt 2 was ready after one death (exit 3)."
    assert recovered.startswith("Recovery took 0.")


def test_a_slow_start_is_told_as_no_loop() -> None:
    assert said(delayed())[0].startswith("Slow start, no loop: attempt 1 did not die")
