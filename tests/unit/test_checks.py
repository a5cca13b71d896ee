"""Every check can hold, can be refuted, can see nothing: whatever its source can say, is tested."""

import importlib.util
import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from crashloop_cases import Case
from crashloop_edits import changed, inserted, one, sealed, without
from crashloop_traces import control, reproduction

from crashloop.checks import CHECKS
from crashloop.checks.result import MAX_EVIDENCE, holds
from crashloop.incidents import INCIDENTS
from crashloop.model import Role
from crashloop.trace.event import DEADLINE_PASSED, Trace

WORDS = {"holds": True, "refuted": False, "not_seen": False, "saw_nothing": None}


def cases() -> list[Case]:
    """The cases of the test modules beside this one."""
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


def states(check: str) -> set[bool | None]:
    """What a check can say, by its source and that of the functions of its module it calls."""
    module = inspect.getmodule(CHECKS[check])
    source = inspect.getsource(CHECKS[check])
    called = {getattr(module, name, None) for name in re.findall(r"\b_\w+(?=\()", source)}
    source += "".join(inspect.getsource(each) for each in called if inspect.isfunction(each))
    return {state for word, state in WORDS.items() if f"return {word}(" in source}


@pytest.mark.parametrize("check", sorted(CHECKS))
def test_every_state_of_the_check_has_a_case(check: str) -> None:
    assert {case.holds for case in CASES if case.check == check} == states(check)


@pytest.mark.parametrize("check", sorted(CHECKS))
def test_the_check_can_pass_and_can_fail(check: str) -> None:
    tested = {case.holds for case in CASES if case.check == check}
    assert True in tested
    assert tested - {True}, "a check that cannot fail is a defect"


@pytest.mark.parametrize("check", sorted(CHECKS))
def test_no_check_passes_on_an_empty_trace(check: str) -> None:
    params = next(case.params for case in CASES if case.check == check)
    result = CHECKS[check](sealed(control(), []), **params)
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
    trace = control() if check in WITHOUT_FAULTS else reproduction()
    params = next(case.params for case in CASES if case.check == check)
    result = CHECKS[check](edit(trace), **params)
    assert result.holds is None, result.says


def cut_short(trace: Trace) -> Trace:
    return changed(trace, "run.finished", how=DEADLINE_PASSED)


TOO_SLOW = [
    (
        "phase_failed",
        lambda: without(reproduction(), "phase.completed", attempt=4, phase="database"),
    ),
    ("phase_failed", lambda: without(control(), "phase.completed", phase="database")),
    ("exit_code", control),
    ("restart_loop", lambda: reproduction(deaths=2)),
    ("all_phases_done", lambda: without(control(), "phase.completed", phase="finalize")),
    ("ready", lambda: changed(control(), "probe.answered", status_code=503)),
    ("recovered", lambda: without(reproduction(), "probe.answered")),
    ("golden_path", lambda: without(control(), "golden.row")),
]


@pytest.mark.parametrize(("check", "trace"), TOO_SLOW)
def test_what_a_run_did_not_get_to_before_its_deadline_is_no_refutation(
    check: str, trace: Callable[[], Trace]
) -> None:
    params = next(case.params for case in CASES if case.check == check)
    if check == "phase_failed":
        params = {**params, "times": 4}
    result = CHECKS[check](cut_short(trace()), **params)
    assert result.holds is None, result.says
    assert "deadline passed" in result.says
    assert CHECKS[check](trace(), **params).holds is False


def test_no_case_names_a_check_that_is_gone() -> None:
    assert {case.check for case in CASES} <= set(CHECKS)


def test_every_check_of_every_signature_is_known() -> None:
    for incident in INCIDENTS.values():
        signatures = [incident.scenario(role).signature for role in Role] + [incident.healthy]
        for signature in signatures:
            assert {spec.check for spec in (*signature.require, *signature.expect)} <= set(CHECKS)


def test_evidence_is_bounded() -> None:
    assert len(holds("much", control().events).evidence) == MAX_EVIDENCE
