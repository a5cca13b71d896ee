"""What is true of every check, and that each one has cases where it passes and where it fails."""

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from crashloop_cases import Case
from crashloop_edits import changed, inserted, one, sealed, without
from crashloop_traces import CONTROL, REPRODUCTION, reproduction

from crashloop.checks import CHECKS
from crashloop.checks.result import MAX_EVIDENCE, holds
from crashloop.incidents import INCIDENTS
from crashloop.model import Role
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


@pytest.mark.parametrize("check", sorted(CHECKS))
def test_the_check_can_pass_and_can_fail(check: str) -> None:
    tested = {case.holds for case in CASES if case.check == check}
    assert True in tested
    assert tested - {True}, "a check that cannot fail is a defect"


@pytest.mark.parametrize("check", sorted(CHECKS))
def test_no_check_passes_on_an_empty_trace(check: str) -> None:
    result = CHECKS[check](sealed(CONTROL, []), **PARAMS[check])
    assert result.holds is not True, result.says


# What an app that does not cooperate leaves out, and the checks that cannot do without it.
OF_ITS_LOG = {
    *("path_used", "scale_is_fair", "phase_failed", "last_phase", "all_phases_done"),
    *("restart_loop", "no_port_before_ready"),
}
OF_ITS_CONNECTIONS = {
    *("path_used", "faults_have_receipts", "receipts_not_contradicted", "no_receipt"),
    "no_connection_left",
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
    trace = without(trace, "golden.answered", "golden.listed", "golden.row")
    asked = one(trace, "probe.answered")
    trace = inserted(trace, asked, "harness", "golden.failed", attempt=4, why="answered 404")
    return changed(trace, "probe.answered", status_code=404, status="", phases={})


def serves_on_another_port(trace: Trace) -> Trace:
    return without(trace, "port.opened", "probe.answered")


UNCOOPERATIVE = [
    (logs_nothing, OF_ITS_LOG),
    (logs_rubbish, OF_ITS_LOG - {"no_port_before_ready"}),
    (never_connects, OF_ITS_CONNECTIONS),
    (has_no_ready_path, {"ready", "recovered", "golden_path"}),
    (serves_on_another_port, {"no_port_before_ready"}),
]


@pytest.mark.parametrize(
    ("edit", "check"), [(edit, check) for edit, checks in UNCOOPERATIVE for check in sorted(checks)]
)
def test_what_an_app_does_not_show_is_neither_a_pass_nor_a_refutation(
    edit: Callable[[Trace], Trace], check: str
) -> None:
    trace = CONTROL if check in WITHOUT_FAULTS else REPRODUCTION
    result = CHECKS[check](edit(trace), **PARAMS[check])
    assert result.holds is None, result.says


TOO_SLOW = [
    (
        "phase_failed",
        without(REPRODUCTION, "phase.completed", attempt=4, phase="database"),
    ),
    ("phase_failed", without(CONTROL, "phase.completed", phase="database")),
    ("exit_code", CONTROL),
    ("restart_loop", reproduction(deaths=2)),
    ("all_phases_done", without(CONTROL, "phase.completed", phase="finalize")),
    ("ready", changed(CONTROL, "probe.answered", status_code=503)),
    ("recovered", without(REPRODUCTION, "probe.answered")),
    ("golden_path", without(CONTROL, "golden.row")),
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
        signatures = [incident.scenario(role).signature for role in Role] + [incident.healthy]
        for signature in signatures:
            assert {spec.check for spec in (*signature.require, *signature.expect)} <= set(CHECKS)


def test_evidence_is_bounded() -> None:
    assert len(holds("much", CONTROL.events).evidence) == MAX_EVIDENCE
