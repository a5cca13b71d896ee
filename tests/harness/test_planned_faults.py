"""Faults of a server and of the replicas in the real lab: plugged, unplugged, and broken."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mutant_apps import mutant
from mutant_runs import caught, of_sample_app, options, reproduced, unmet
from mutants.harness_parts import IdlePorts, LyingPorts, engine_with_ports
from planned_faults import outage_of

from crashloop.faults import fault_kind
from crashloop.model import Role, Verdict

if TYPE_CHECKING:
    from pathlib import Path


OVERLAP = "revision_change"
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="/proc says what is stopped")


@pytest.mark.slow
async def test_an_overlap_that_is_plugged_has_receipts_and_is_reproduced(tmp_path: Path) -> None:
    run = await reproduced(outage_of(OVERLAP).scenario(), options(tmp_path))
    assert run.trace.of(*fault_kind(OVERLAP).receipt.kinds)


@pytest.mark.slow
async def test_an_overlap_that_is_unplugged_lacks_its_receipt_alone(tmp_path: Path) -> None:
    scenario = outage_of(OVERLAP).scenario(Role.UNPLUGGED)
    run = await caught(
        scenario,
        options(tmp_path),
        Verdict.INCONCLUSIVE,
        "faults_have_receipts",
        "fault f was unplugged, so nothing shows it",
    )
    required = {spec.check for spec in scenario.signature.require}
    assert unmet(run) & required == {"faults_have_receipts", "receipts_not_contradicted"}
    assert "(faults_have_receipts)" in run.judgement.reason


@pytest.mark.slow
@linux_only
async def test_a_server_that_is_stopped_is_seen_and_reproduced(tmp_path: Path) -> None:
    run = await reproduced(outage_of("paused").scenario(), options(tmp_path))
    assert run.trace.of("process.stopped")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["starting_up", "paused", "loading"])
async def test_a_fault_that_does_nothing_is_caught(kind: str, tmp_path: Path) -> None:
    grade = fault_kind(kind).receipt.grade
    await caught(
        outage_of(kind).scenario(),
        replace(options(tmp_path), engine=engine_with_ports(IdlePorts)),
        Verdict.INCONCLUSIVE,
        "faults_have_receipts",
        f"has no {grade} receipt",
    )


@pytest.mark.slow
async def test_a_server_that_is_only_said_to_be_stopped_is_caught(tmp_path: Path) -> None:
    hangs_on_its_own = mutant("waits_after_connecting", MUTANT_DEATHS="1")
    run = await caught(
        of_sample_app(outage_of("paused"), hangs_on_its_own),
        replace(options(tmp_path), engine=engine_with_ports(LyingPorts)),
        Verdict.INCONCLUSIVE,
        "receipts_not_contradicted",
        "attempt 1 got an answer from it meanwhile",
    )
    assert unmet(run) == {"receipts_not_contradicted"}
