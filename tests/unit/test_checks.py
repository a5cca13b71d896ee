"""What is true of every check, and that each one has cases where it passes and where it fails."""

import importlib.util
import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from crashloop_cases import Case
from crashloop_edits import changed, inserted, one, sealed, without
from crashloop_outages import KILLED, SLOTS
from crashloop_own_apps import HELD, lazy
from crashloop_traces import CONTROL, REPRODUCTION, reproduction

import crashloop.checks
from crashloop.checks import CHECKS
from crashloop.checks.result import MAX_EVIDENCE, holds
from crashloop.incidents import INCIDENTS
from crashloop.judge import judge
from crashloop.model import CheckSpec, Role, Signature, Verdict
from crashloop.trace.event import DEADLINE_PASSED, Trace


def cases() -> list[Case]:
    """The cases of the test modules in this folder."""
    found: list[Case] = []
    for path in sorted(Path(__file__).parent.glob("test_checks_*.py")):
        spec = importlib.util.spec_from_file_location(f"cases_of_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found += getattr(module, "CASES", [])
    return found


CASES = cases()
PARAMS = {case.check: case.params for case in reversed(CASES)}
OF = {
    "control_passed": HELD,
    "died": HELD,
    "died_at_own_limit": HELD,
    "killed_by_probe": KILLED,
    "phase_running_at_death": KILLED,
    "a_replica_served": SLOTS,
    "server_said": SLOTS,
    "old_revision_held": SLOTS,
}
"""Traces on which these checks hold, where the reproduction is not one."""


NEVER_REFUTED = {
    *("baseline_passed", "control_passed", "evidence_complete", "path_used", "waits_are_declared"),
    *("dependency_needed", "faults_have_receipts", "receipts_not_contradicted", "server_said"),
}
"""Checks of whether there is evidence at all: where there is none, they have seen nothing."""

BY_THE_APP = {"fails_at_once", "phase_failed", "scale_is_fair", "waits_are_declared"}
"""Checks that the app's own lines are enough for."""


@pytest.mark.parametrize("check", sorted(CHECKS))
def test_the_check_can_hold_be_refuted_and_see_nothing(check: str) -> None:
    tested = {case.holds for case in CASES if case.check == check}
    assert tested == {True, None} | ({False} if check not in NEVER_REFUTED else set())


@pytest.mark.parametrize("check", sorted(set(CHECKS) - BY_THE_APP))
def test_what_nobody_but_the_app_has_seen_never_holds(check: str) -> None:
    for case in CASES:
        if case.check == check and case.holds:
            by_the_app = sealed(case.trace, [e for e in case.trace.events if e.source == "app"])
            result = CHECKS[check](by_the_app, **case.params)
            assert result.holds is not True, f"{case.sentence}: {result.says}"


@pytest.mark.parametrize("check", sorted(CHECKS))
def test_no_check_passes_on_an_empty_trace(check: str) -> None:
    result = CHECKS[check](sealed(CONTROL, []), **PARAMS[check])
    assert result.holds is not True, result.says


# What an app that does not cooperate leaves out, and the checks that cannot do without it.
OF_ITS_LOG = {
    *("path_used", "scale_is_fair", "phase_failed", "last_phase", "all_phases_done"),
    *("restart_loop", "no_port_before_ready", "phase_running_at_death", "fails_at_once"),
    *("connected_before", "each_life_waited", "a_life_got_through", "not_let_through"),
}
OF_ITS_CONNECTIONS = {
    *("path_used", "faults_have_receipts", "receipts_not_contradicted", "no_receipt"),
    *("no_connection_left", "each_life_waited", "a_life_got_through", "not_let_through"),
}
WITHOUT_FAULTS = {"no_receipt", "all_phases_done", "scale_is_fair", "ready"}


def logs_nothing(trace: Trace) -> Trace:
    return sealed(trace, [e for e in trace.events if e.source != "app"])


def logs_rubbish(trace: Trace) -> Trace:
    rubbish = {"phase": {}, "error": "?", "limit_s": "?", "duration_s": -1, "boot_id": None}
    return sealed(
        trace,
        [replace(e, data=rubbish if e.source == "app" else e.data) for e in trace.events],
    )


def never_connects(trace: Trace) -> Trace:
    of_links = [e for e in trace.events if e.kind.startswith("link.") and e.attempt is not None]
    return sealed(trace, [e for e in trace.events if e not in of_links])


def has_no_ready_path(trace: Trace) -> Trace:
    trace = without(trace, "journey.step")
    asked = one(trace, "ready.answered")
    trace = inserted(trace, asked, "harness", "journey.failed", attempt=4, why="answered 404")
    return changed(trace, "ready.answered", ready=False, status_code=404, answer={})


def serves_on_another_port(trace: Trace) -> Trace:
    return without(trace, "port.opened", "ready.answered")


UNCOOPERATIVE = [
    (logs_nothing, OF_ITS_LOG),
    (logs_rubbish, OF_ITS_LOG - {"no_port_before_ready"}),
    (never_connects, OF_ITS_CONNECTIONS),
    (has_no_ready_path, {"ready", "recovered", "journey_passed"}),
    (serves_on_another_port, {"no_port_before_ready"}),
]


@pytest.mark.parametrize(
    ("edit", "check"), [(edit, check) for edit, checks in UNCOOPERATIVE for check in sorted(checks)]
)
def test_what_an_app_does_not_show_is_neither_a_pass_nor_a_refutation(
    edit: Callable[[Trace], Trace], check: str
) -> None:
    trace = CONTROL if check in WITHOUT_FAULTS else OF.get(check, REPRODUCTION)
    result = CHECKS[check](edit(trace), **PARAMS[check])
    assert result.holds is None, result.says


TOO_SLOW = [
    (
        "phase_failed",
        without(REPRODUCTION, "phase.completed", attempt=4, phase="database"),
    ),
    ("phase_failed", without(CONTROL, "phase.completed", phase="database")),
    ("a_life_got_through", without(CONTROL, "phase.completed", phase="database")),
    ("exit_code", CONTROL),
    ("died", CONTROL),
    ("died_at_own_limit", lazy()),
    ("killed_by_probe", without(KILLED, "process.exited")),
    ("probe_passed", without(KILLED, "process.exited")),
    ("port_before_ready", CONTROL),
    ("users_failed", CONTROL),
    ("phase_running_at_death", CONTROL),
    ("a_replica_served", CONTROL),
    ("restart_loop", reproduction(deaths=2)),
    ("all_phases_done", without(CONTROL, "phase.completed", phase="finalize")),
    ("ready", changed(CONTROL, "ready.answered", ready=False, status_code=503)),
    ("recovered", without(REPRODUCTION, "ready.answered")),
    ("journey_passed", without(CONTROL, "journey.step")),
]


@pytest.mark.parametrize(("check", "trace"), TOO_SLOW)
def test_what_a_run_did_not_reach_in_time_is_not_refuted(check: str, trace: Trace) -> None:
    params = {**PARAMS[check], **({"times": 4} if check == "phase_failed" else {})}
    result = CHECKS[check](changed(trace, "run.finished", how=DEADLINE_PASSED), **params)
    assert result.holds is None, result.says
    assert "deadline passed" in result.says
    assert CHECKS[check](trace, **params).holds is False


def test_every_check_of_every_signature_is_known() -> None:
    for incident in INCIDENTS.values():
        scenarios = [incident.scenario(role) for role in Role]
        healthy = incident.healthy(scenarios[0])
        for signature in [scenario.signature for scenario in scenarios] + [healthy]:
            assert {spec.check for spec in (*signature.require, *signature.expect)} <= set(CHECKS)


PER_REPLICA = sorted(
    check for check in CHECKS if "replicas" in inspect.signature(CHECKS[check]).parameters
)


@pytest.mark.parametrize("check", PER_REPLICA)
def test_another_word_for_which_replicas_is_an_error(check: str) -> None:
    params = {**PARAMS[check], "replicas": "all"}
    spec = CheckSpec(check=check, params=params)
    judgement = judge(OF.get(check, REPRODUCTION), Signature(name="x", require=(), expect=(spec,)))
    assert judgement.verdict is not Verdict.REPRODUCED


def test_the_code_of_the_checks_names_no_dependency_and_no_route() -> None:
    folder = Path(crashloop.checks.__file__).parent
    for path in sorted(folder.glob("*.py")):
        assert not re.search(
            r"database|postgres|redis|/health|/ws/", path.read_text(), re.IGNORECASE
        ), path


def test_evidence_is_bounded() -> None:
    assert len(holds("much", CONTROL.events).evidence) == MAX_EVIDENCE
