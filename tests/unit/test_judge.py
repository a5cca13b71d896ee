"""From a signature and a trace to a verdict: what decides, and what the reason names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from crashloop_edits import (
    changed,
    cut,
    ended,
    inserted,
    one,
    tampered,
    with_header,
    with_scenario,
    without,
)
from crashloop_outages import KILLED, SLOTS
from crashloop_traces import CONTROL, REPRODUCTION, reproduction
from hypothesis import given, settings
from hypothesis import strategies as st

from crashloop.errors import UsageError
from crashloop.incidents import incident
from crashloop.judge import judge, recorded_signature
from crashloop.model import CheckSpec, Signature, Verdict

if TYPE_CHECKING:
    from crashloop.trace.event import Trace

INCIDENT = incident("issue-1278")
HEALTHY = INCIDENT.healthy(INCIDENT.scenario())


def test_a_whole_reproduction_is_reproduced_for_all_its_reasons() -> None:
    judgement = judge(REPRODUCTION)
    assert judgement.verdict is Verdict.REPRODUCED
    for words in ("failed 3 times", "exit 3", "restarted the app 3 times", "the query answered"):
        assert words in judgement.reason
    assert judgement.digest == INCIDENT.scenario().signature.digest()


def test_a_control_run_is_not_reproduced_and_is_healthy() -> None:
    trace = CONTROL
    judgement = judge(trace)
    assert judgement.verdict is Verdict.NOT_REPRODUCED
    assert judgement.reason.endswith("(phase_failed)")
    assert judge(trace, HEALTHY).verdict is Verdict.REPRODUCED


def test_a_requirement_comes_before_what_is_refuted_and_both_are_named() -> None:
    trace = changed(without(REPRODUCTION, "link.held"), "process.exited", attempt=1, exit_code=1)
    judgement = judge(trace)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "(faults_have_receipts)" in judgement.reason
    assert "besides, attempt 1 ended with exit 1" in judgement.reason


def test_an_expectation_that_saw_nothing_is_inconclusive() -> None:
    judgement = judge(without(REPRODUCTION, "database.backends"))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reason.endswith("(no_connection_left)")


def test_an_unfair_scale_above_the_default_refutes_nothing() -> None:
    slow = changed(CONTROL, "phase.completed", phase="cache", limit_s=0.001)

    judgement = judge(with_header(slow, time_scale=40.0))

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "time scale 40 is too large here" in judgement.reason


def test_a_start_that_used_up_its_probe_makes_the_scale_unfair() -> None:
    probe = {"delay_s": 0.0, "period_s": 10.0, "failures": 3}
    trace = with_scenario(CONTROL, platform={"name": "kubernetes", "startup": probe})
    up = one(trace, "startup.completed")
    trace = inserted(trace, up, "supervisor", "probe.passed", attempt=1, probe="startup")

    judgement = judge(with_header(trace, time_scale=40.0))

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "of what its start-up probe allows" in judgement.reason


def test_a_start_that_used_up_its_probe_before_the_fault_hit_it_makes_the_scale_unfair() -> None:
    probe = {"delay_s": 0.0, "period_s": 10.0, "failures": 10}
    trace = with_scenario(KILLED, platform={"name": "kubernetes", "startup": probe})

    judgement = judge(without(trace, "journey.step", "probe.passed"))

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "of what its start-up probe allows before phase database began" in judgement.reason


@pytest.mark.parametrize("trace", [SLOTS, KILLED, reproduction(replicas=3)])
def test_outages_of_several_replicas_and_of_probes_are_reproduced(trace: Trace) -> None:
    assert judge(trace).verdict is Verdict.REPRODUCED, judge(trace).reason


def test_a_signature_without_its_digest_is_refused() -> None:
    header = {k: v for k, v in REPRODUCTION.header.items() if k != "signature_sha256"}

    with pytest.raises(UsageError, match="digest differs"):
        recorded_signature(replace(REPRODUCTION, header=header))


def test_what_is_refuted_comes_before_what_saw_nothing() -> None:
    trace = without(REPRODUCTION, "database.backends", "journey.step")
    judgement = judge(trace)
    assert judgement.verdict is Verdict.NOT_REPRODUCED
    assert judgement.reason.endswith("(journey_passed)")


@pytest.mark.parametrize("signature", [None, HEALTHY])
def test_a_run_in_which_somebody_else_killed_the_app_refutes_nothing(
    signature: Signature | None,
) -> None:
    judgement = judge(ended(reproduction(deaths=2), 2, "SIGKILL"), signature)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reason.startswith("attempt 2 was killed by somebody else than the platform")


def test_a_harness_that_broke_says_nothing_about_the_incident() -> None:
    trace = REPRODUCTION
    last = trace.events[-2]
    broken = inserted(trace, last, "harness", "harness.failed", message="the disk is full")
    judgement = judge(broken)
    assert judgement.verdict is Verdict.HARNESS_ERROR
    assert judgement.reason == "the harness broke: the disk is full"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("database", "Postgres died during the run"),
        ("cache", "the cache died during the run"),
        ("proxy", "the fault proxy died during the run"),
    ],
)
def test_a_server_that_died_is_a_broken_harness_whatever_the_end_says(
    source: str, says: str
) -> None:
    died = inserted(REPRODUCTION, REPRODUCTION.events[-2], source, f"{source}.died")
    judgement = judge(died)
    assert judgement.verdict is Verdict.HARNESS_ERROR
    assert judgement.reason == says


def test_an_app_that_logs_that_its_database_died_is_no_broken_harness() -> None:
    started = REPRODUCTION.of("process.started")[0]
    logged = inserted(REPRODUCTION, started, "app", "database.died", attempt=1)
    assert judge(logged).verdict is Verdict.REPRODUCED


def test_a_run_that_was_refused_is_inconclusive_and_says_why() -> None:
    trace = REPRODUCTION
    refused = inserted(trace, trace.events[-2], "harness", "run.refused", message="no Docker")
    judgement = judge(refused)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reason == "the run was refused: no Docker"


def test_an_interrupted_run_is_inconclusive_whatever_it_saw() -> None:
    trace = REPRODUCTION
    judgement = judge(inserted(trace, trace.events[-2], "harness", "run.interrupted"))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "interrupted" in judgement.reason


def test_a_run_without_a_recorded_end_is_inconclusive_whatever_its_signature_requires() -> None:
    signature = Signature(name="x", require=(), expect=(CheckSpec(check="journey_passed"),))
    judgement = judge(without(REPRODUCTION, "run.finished"), signature)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "did not finish" in judgement.reason


@pytest.mark.parametrize("how", ["failed", "something new", None, 3])
def test_a_run_with_any_other_end_is_a_failure_of_the_harness(how: object) -> None:
    judgement = judge(changed(REPRODUCTION, "run.finished", how=how))
    assert judgement.verdict is Verdict.HARNESS_ERROR


def test_a_signature_that_expects_nothing_reproduces_nothing() -> None:
    empty = Signature(name="x", require=(), expect=())
    judgement = judge(REPRODUCTION, empty)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reason == "the signature expects nothing"


def test_an_unknown_check_is_named_with_what_to_do() -> None:
    signature = Signature(name="x", require=(), expect=(CheckSpec(check="moon_phase"),))
    with pytest.raises(UsageError, match=r"'moon_phase'\n.*or newer"):
        judge(REPRODUCTION, signature)


@pytest.mark.parametrize("header", [None, [], "x", {}, {"name": "x"}, {"name": "x", "require": 3}])
def test_a_header_without_a_readable_signature_is_a_usage_error(header: object) -> None:
    with pytest.raises(UsageError, match="no readable signature"):
        recorded_signature(with_header(REPRODUCTION, signature=header))


def test_a_signature_changed_after_the_run_is_a_usage_error() -> None:
    trace = REPRODUCTION
    weak = replace(recorded_signature(trace), require=())
    with pytest.raises(UsageError, match="changed after the run"):
        judge(with_header(trace, signature=weak.to_json()))


def test_a_check_with_wrong_parameters_saw_nothing() -> None:
    spec = CheckSpec(check="exit_code", params={"number": 3})
    judgement = judge(REPRODUCTION, Signature(name="x", require=(), expect=(spec,)))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "could not read its evidence" in judgement.reason


FORGERIES: dict[str, Trace] = {
    "an exit code written over another": tampered(
        changed(REPRODUCTION, "process.exited", attempt=2, exit_code=None, signal="SIGKILL"),
        "process.exited",
        attempt=2,
        exit_code=3,
    ),
    "an attempt cut out and the rest renumbered": without(
        REPRODUCTION, *{e.kind for e in REPRODUCTION.events}, attempt=2
    ),
    "a requested end called a death": tampered(
        REPRODUCTION, "process.exited", attempt=4, requested=False
    ),
    "another attempt's connection": changed(
        REPRODUCTION, "link.opened", attempt=2, client_pid=100, client_session=100
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_an_edited_trace_is_not_reproduced(forgery: str) -> None:
    assert judge(FORGERIES[forgery]).verdict is not Verdict.REPRODUCED


@settings(max_examples=60, deadline=None)
@given(seqs=st.sets(st.integers(1, len(REPRODUCTION.events)), min_size=1, max_size=20))
def test_a_trace_that_lost_lines_is_never_reproduced(seqs: set[int]) -> None:
    judgement = judge(cut(REPRODUCTION, *seqs))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "(evidence_complete)" in judgement.reason


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_no_value_in_an_event_crashes_the_judge(data: st.DataObject) -> None:
    trace = REPRODUCTION
    victim = data.draw(st.sampled_from([e for e in trace.events if e.data]))
    key = data.draw(st.sampled_from(sorted(victim.data)))
    value = data.draw(JSON)
    hostile = tampered(trace, victim.kind, attempt=victim.attempt, **{key: value})
    for signature in (None, HEALTHY):
        judgement = judge(hostile, signature)
        assert judgement.reason
        if victim.source == "app":
            assert not [f for f in judgement.findings if "could not read" in f.says]
