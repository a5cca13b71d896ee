"""What a run of a proof fails to show although its verdict is right."""

from __future__ import annotations

from pathlib import Path

import pytest
from crashloop_traces import control

from crashloop.incidents import incident
from crashloop.model import Finding, Judgement, Role
from crashloop.proof import EXPECTED, assess
from crashloop.run import Run

CHECKS = ("faults_have_receipts", "recovered", "golden_path")


def run(role: Role, *findings: Finding) -> Run:
    """A run that ended with its role's verdict; nobody died in it."""
    return Run(
        scenario=incident("issue-1278").scenario(role),
        trace=control(),
        judgement=Judgement(verdict=EXPECTED[role], reason="", findings=findings),
        artifacts=Path("evidence"),
        seed=1,
        command="",
    )


def finding(check: str, *, holds: bool | None = True) -> Finding:
    return Finding(check=check, role="require", holds=holds, says=f"{check} is {holds}")


def test_a_remedy_that_shows_everything_required_is_enough() -> None:
    assert assess(run(Role.REMEDY, *map(finding, CHECKS))).ok


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("holds", [False, None])
def test_a_remedy_must_show_each_thing_required(check: str, holds: bool | None) -> None:
    others = [finding(name) for name in CHECKS if name != check]

    step = assess(run(Role.REMEDY, *others, finding(check, holds=holds)))

    assert step.shortfall == f"{check} is {holds}"


@pytest.mark.parametrize("check", CHECKS)
def test_a_remedy_whose_signature_lacks_a_required_check_falls_short(check: str) -> None:
    step = assess(run(Role.REMEDY, *[finding(name) for name in CHECKS if name != check]))

    assert step.shortfall == f"its signature does not ask for {check}, so it cannot show it"


def test_an_unplugged_run_needs_the_check_of_receipts() -> None:
    assert "does not ask for faults_have_receipts" in assess(run(Role.UNPLUGGED)).shortfall
    missing = finding("faults_have_receipts", holds=None)
    assert assess(run(Role.UNPLUGGED, missing)).ok
    assert not assess(run(Role.UNPLUGGED, finding("faults_have_receipts"))).ok
