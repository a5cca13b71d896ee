"""Every check can hold, can be refuted, can see nothing: whatever its source can say, is tested."""

import importlib.util
import inspect
from pathlib import Path

import pytest
from crashloop_cases import Case
from crashloop_edits import sealed
from crashloop_traces import control

from crashloop.checks import CHECKS
from crashloop.checks.result import MAX_EVIDENCE, holds
from crashloop.incidents import INCIDENTS
from crashloop.model import Role

WORDS = {True: "holds(", False: "refuted(", None: "saw_nothing("}

# What each of these says through a function that it calls: its own source does not show it.
THROUGH_OTHERS = {("restart_loop", None)}


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
    """What a check can say, by its source."""
    source = inspect.getsource(CHECKS[check])
    said = {state for state, word in WORDS.items() if f"return {word}" in source}
    return said | {state for name, state in THROUGH_OTHERS if name == check}


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


def test_no_case_names_a_check_that_is_gone() -> None:
    assert {case.check for case in CASES} <= set(CHECKS)


def test_every_check_of_every_signature_is_known() -> None:
    for incident in INCIDENTS.values():
        signatures = [incident.scenario(role).signature for role in Role] + [incident.healthy]
        for signature in signatures:
            assert {spec.check for spec in (*signature.require, *signature.expect)} <= set(CHECKS)


def test_evidence_is_bounded() -> None:
    assert len(holds("much", control().events).evidence) == MAX_EVIDENCE
