"""Each fault alone: it is seen to act, and no neighbour is taken for it."""

from __future__ import annotations

import pytest
from faults_alone import ALONE, NEIGHBOURS, FaultRuns, runnable

from crashloop.checks import CHECKS
from crashloop.checks.touches import planned_faults, touches
from crashloop.commands.standing import MODELLED, standing
from crashloop.engines.catalogue import LOCAL
from crashloop.faults import KINDS
from crashloop.judge import judge, recorded_signature
from crashloop.model import Role, Verdict
from crashloop.testing.settings import read_settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def faults(
    pytestconfig: pytest.Config, testrun_uid: str, tmp_path_factory: pytest.TempPathFactory
) -> FaultRuns:
    """The runs of the faults, shared by all workers; they are kept where all evidence is."""
    kept, base = read_settings(pytestconfig).artifacts, tmp_path_factory.getbasetemp()
    is_worker = base.name.startswith("popen-")
    folder = (kept or (base.parent if is_worker else base)) / f"faults-{testrun_uid}"
    folder.mkdir(parents=True, exist_ok=True)
    return FaultRuns(folder)


@pytest.mark.parametrize("kind", [runnable(each) for each in ALONE])
async def test_a_fault_has_its_receipt_and_looks_as_its_catalogue_says(
    kind: str, faults: FaultRuns
) -> None:
    trace = await faults.trace(kind)
    judgement = judge(trace)
    assert judgement.verdict is Verdict.REPRODUCED, judgement.reason
    assert all(touches(trace, fault) for fault in planned_faults(trace))


@pytest.mark.parametrize("kind", [runnable(each) for each in ALONE])
async def test_a_receipt_says_that_it_is_of_a_modelled_fault_where_it_is(
    kind: str, faults: FaultRuns
) -> None:
    trace = await faults.trace(kind)
    said = [event for event in trace.events if event.kind in KINDS[kind].receipt.kinds]
    is_modelled = standing(KINDS[kind], LOCAL)[0] == MODELLED
    assert {event.data.get("modelled", False) for event in said} == {is_modelled}


async def test_a_table_that_is_locked_looks_like_an_advisory_lock_that_is_held(
    faults: FaultRuns,
) -> None:
    trace = await faults.trace("lock_held:table=messages,create=true")
    judgement = judge(trace, recorded_signature(await faults.trace("lock_held")))
    assert judgement.verdict is Verdict.REPRODUCED, judgement.reason
    assert all(touches(trace, fault) for fault in planned_faults(trace))


@pytest.mark.parametrize("kind", [runnable(each) for each in ALONE])
async def test_without_the_fault_the_app_is_well_and_nothing_has_a_receipt(
    kind: str, faults: FaultRuns
) -> None:
    trace = await faults.trace(kind, Role.CONTROL)
    judgement = judge(trace)
    assert judgement.verdict is Verdict.NOT_REPRODUCED, judgement.reason
    assert CHECKS["no_death"](trace).holds
    of_harness = [event for event in trace.events if event.source != "app"]
    assert not [event for event in of_harness if event.data.get("fault")]


@pytest.mark.parametrize("kind", [runnable(each) for each in ALONE])
async def test_a_fault_that_is_unplugged_is_inconclusive(kind: str, faults: FaultRuns) -> None:
    judgement = judge(await faults.trace(kind, Role.UNPLUGGED))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "(faults_have_receipts)" in judgement.reason


@pytest.mark.parametrize(("kind", "other"), [runnable(*each) for each in NEIGHBOURS])
async def test_a_neighbour_is_told_apart_by_the_stated_observation(
    kind: str, other: str, faults: FaultRuns
) -> None:
    judgement = await faults.judged(kind, other)
    check = ALONE[kind].told_by[other]
    assert judgement.verdict is not Verdict.REPRODUCED
    told = [found for found in judgement.findings if found.check == check]
    assert [found.holds for found in told] == [False], [found.says for found in told]
