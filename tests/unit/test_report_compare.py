"""A trace judged by its own signature and by another: where they differ."""

from __future__ import annotations

from dataclasses import replace

from crashloop_traces import reproduction

from crashloop.judge import judge, recorded_signature
from crashloop.model import CheckSpec
from crashloop.report.compare import Comparison, differences
from crashloop.report.lines import plain
from crashloop.report.verdicts import compared_lines


def test_the_same_signature_differs_in_nothing() -> None:
    trace = reproduction()
    signature, judgement = recorded_signature(trace), judge(trace)

    found = list(differences(signature, signature, judgement, judgement))

    assert found == []
    same = Comparison(today=judgement, recorded=judgement)
    assert "are the same" in plain(compared_lines(same, width=80))


def test_a_changed_a_new_and_a_missing_check_are_named_and_the_verdict_too() -> None:
    trace = reproduction()
    recorded = recorded_signature(trace)
    kept = [c for c in recorded.expect if c.check not in {"exit_code", "journey_passed"}]
    stricter = CheckSpec(check="exit_code", params={"code": 3, "times": 5})
    today = replace(recorded, expect=(*kept, stricter, CheckSpec(check="no_death")))

    found = {
        one.what: one for one in differences(recorded, today, judge(trace), judge(trace, today))
    }

    assert found["verdict"].today == "NOT_REPRODUCED"
    assert '"times": 5' in found["check exit_code"].today
    assert found["check journey_passed"].today == "not there"
    assert found["check no_death"].recorded == "not there"
    assert found["finding exit_code"].recorded.startswith("holds: ")
    assert found["finding exit_code"].today.startswith("refuted: ")


def test_a_check_that_a_signature_has_twice_is_compared_each_time() -> None:
    trace = reproduction()
    recorded = recorded_signature(trace)
    right = CheckSpec(check="exit_code", params={"code": 3, "times": 3})
    wrong = CheckSpec(check="exit_code", params={"code": 3, "times": 5})
    then = replace(recorded, expect=(right, right))
    now = replace(recorded, expect=(wrong, right))

    found = {one.what: one for one in differences(then, now, judge(trace, then), judge(trace, now))}

    assert found["finding exit_code"].today.startswith("refuted: ")
    assert "finding exit_code #2" not in found
