"""A comparison from its plan to its results, with answers in place of runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import asdict, dataclass, field
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from trials import WORKS

from crashloop.campaign.criterion import AUDIT
from crashloop.campaign.evidence import Evidence
from crashloop.campaign.execution import BREAKS, Execution
from crashloop.campaign.fairness import Work
from crashloop.campaign.looks import looks_until
from crashloop.campaign.measure import Measured
from crashloop.campaign.process import WorkerError
from crashloop.campaign.view import PlainView
from crashloop.commands.compare_order import CompareOrder, planned
from crashloop.errors import CrashloopError, HarnessError, UsageError
from crashloop.model import Verdict
from crashloop.model.comparison import Met

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from crashloop.campaign.plan import Job

LOOPS = Measured(
    verdict=Verdict.REPRODUCED,
    lives_started=16,
    lives_ready=2,
    phase_entered=16,
    phase_failed=14,
    loop=True,
    golden_path=(2, 2),
)


@dataclass(slots=True, kw_only=True)
class Lab:
    """Answers jobs; `slow` says for how many turns of the loop, by remedy."""

    answers: Mapping[str, Measured] = field(default_factory=dict)
    slow: Mapping[str, int] = field(default_factory=dict)
    work_s: float = 0.06
    asked: list[Job] = field(default_factory=list)
    now: int = 0
    most: int = 0
    open: int = 0

    async def start(self) -> Lab.Worker:
        self.open += 1
        return Lab.Worker(self)

    @dataclass(slots=True)
    class Worker:
        lab: Lab

        async def ask(self, job: Job, *, bound_s: float) -> Mapping[str, Any]:
            assert bound_s > 0
            return await self.lab.answer(job)

        async def close(self) -> None:
            self.lab.open -= 1

    async def answer(self, job: Job) -> Mapping[str, Any]:
        self.now += 1
        if job.role == "control":
            await asyncio.sleep(0)
            share = self.work_s * self.now * job.scale / 20
            self.now -= 1
            phases = {"database": self.work_s * 2}
            return {"work": asdict(Work(fair=share <= 0.25, share=share, phases=phases))}
        self.asked.append(job)
        self.most = max(self.most, self.now)
        for _ in range(self.slow.get(job.remedy, 1)):
            await asyncio.sleep(0)
        self.now -= 1
        usual = WORKS if job.remedy else LOOPS
        return {"measured": self.answers.get(job.remedy, usual).to_json()}

    def numbers(self, remedy: str) -> list[int]:
        return [int(job.folder[-3:]) for job in self.asked if job.remedy == remedy]


def comparison(
    lab: Lab, folder: Path, *remedies: str, trials: int = 100, out: StringIO | None = None
) -> tuple[Execution, Evidence]:
    plan = planned(CompareOrder(incident="issue-1278", remedies=remedies, trials=trials), seed=7)
    evidence = Evidence(folder)
    view = PlainView(out or StringIO())
    execution = Execution(
        campaign=plan.campaign,
        criteria=AUDIT,
        looks=looks_until(trials),
        scale=plan.scale,
        processors=2,
        evidence=evidence,
        earlier=evidence.earlier("d"),
        view=view,
        start=lab.start,
    )
    view.shown.execution = execution
    return execution, evidence


async def compared(
    lab: Lab, folder: Path, *remedies: str, trials: int = 100, out: StringIO | None = None
) -> Execution:
    execution, evidence = comparison(lab, folder, *remedies, trials=trials, out=out)
    with evidence.open(digest="d", says="crashloop compare issue-1278", seed=7):
        await execution.run()
    return execution


async def test_an_arm_ends_at_the_look_that_decides_it(tmp_path: Path) -> None:
    lab = Lab()
    execution = await compared(lab, tmp_path, "limit=60")
    results = {each.arm.name: each.decision.result for each in execution.so_far()}
    assert results == {"none": Met.NOT_MET, "limit=60": Met.MET}
    assert sorted(lab.numbers("")) == [*range(1, 11)]
    assert sorted(lab.numbers("limit=60")) == [*range(1, len(lab.numbers("limit=60")) + 1)]
    assert len(lab.numbers("limit=60")) in {50, 100}
    assert lab.open == 0


async def test_the_same_trial_has_the_same_seed_and_heal_in_every_arm(tmp_path: Path) -> None:
    lab = Lab()
    await compared(lab, tmp_path, "limit=25", "limit=60", trials=3)
    draws = {(job.folder[-3:], job.seed, job.params["heal_s"]) for job in lab.asked}
    assert len(draws) == 3
    assert len({seed for _, seed, _ in draws}) == 3
    assert all(240 <= float(heal_s) <= 360 for _, _, heal_s in draws)


async def test_as_many_trials_run_at_once_as_the_controls_found_fair(tmp_path: Path) -> None:
    lab, out = Lab(work_s=0.06), StringIO()
    await compared(lab, tmp_path, "limit=25", trials=10, out=out)
    assert lab.most == 4
    assert "4 runs at once at x20" in out.getvalue()


async def test_the_arms_take_turns_so_that_the_slowest_does_not_end_alone(tmp_path: Path) -> None:
    lab = Lab(slow={"limit=25": 30})
    await compared(lab, tmp_path, "limit=25", "limit=60", trials=10)
    slow = [n for n, job in enumerate(lab.asked) if job.remedy == "limit=25"]
    assert slow[-1] < len(lab.asked) - 1
    assert {job.remedy for job in lab.asked[:3]} == {"", "limit=25", "limit=60"}


async def test_a_limit_that_is_too_short_runs_at_a_smaller_scale_and_says_so(
    tmp_path: Path,
) -> None:
    lab, out = Lab(work_s=0.1), StringIO()
    execution = await compared(lab, tmp_path, "limit=8", trials=1, out=out)
    scales = {each.arm.name: each.arm.scale for each in execution.so_far()}
    assert scales == {"none": 20.0, "limit=8": 10.0}
    assert {job.scale for job in lab.asked if job.remedy == "limit=8"} == {10.0}
    assert "limit=8 runs at x10: at x20 its limit of 8 s would be 0.4 s" in out.getvalue()


async def test_a_comparison_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    lab, seventeen = Lab(), asyncio.Event()

    async def answer(job: Job) -> Mapping[str, Any]:
        if len(lab.asked) == 17:
            seventeen.set()
            await asyncio.Event().wait()
        return await Lab.answer(lab, job)

    execution, evidence = comparison(lab, tmp_path, "limit=25", "limit=60", trials=20)
    execution.start = Stopping(lab, answer).start
    with evidence.open(digest="d", says="crashloop compare issue-1278", seed=7):
        work = asyncio.create_task(execution.run())
        await seventeen.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
    assert lab.open == 0
    ended = execution.trials
    assert 10 < ended <= 17
    assert sum(len(each.tally.trials) for each in execution.so_far()) <= ended

    rest = Lab()
    await compared(rest, tmp_path, "limit=25", "limit=60", trials=20)
    both = Counter((job.remedy, job.seed) for job in (*lab.asked[:ended], *rest.asked))
    assert len(rest.asked) == 3 * 10 + 2 * 10 - ended
    assert len(both) == 50


@dataclass(slots=True)
class Stopping:
    """Starts workers that answer by another function."""

    lab: Lab
    say: Any

    async def start(self) -> Any:
        self.lab.open += 1
        return self

    async def ask(self, job: Job, *, bound_s: float) -> Mapping[str, Any]:
        assert bound_s > 0
        found: Mapping[str, Any] = await self.say(job)
        return found

    async def close(self) -> None:
        self.lab.open -= 1


async def test_controls_are_not_run_again_when_it_goes_on(tmp_path: Path) -> None:
    await compared(Lab(), tmp_path, "limit=60", trials=2)
    out = StringIO()
    await compared(Lab(), tmp_path, "limit=60", trials=4, out=out)
    assert "control run" not in out.getvalue()


async def test_a_trial_whose_worker_died_is_made_again(tmp_path: Path) -> None:
    lab = Lab()
    died: list[Job] = []

    async def answer(job: Job) -> Mapping[str, Any]:
        if job.remedy and not died:
            died.append(job)
            raise WorkerError("it ended with status -9 and no answer")
        return await Lab.answer(lab, job)

    execution, evidence = comparison(lab, tmp_path, "limit=60", trials=2)
    execution.start = Stopping(lab, answer).start
    with evidence.open(digest="d", says="", seed=7):
        await execution.run()
    (arm,) = [each for each in execution.so_far() if each.arm.remedy == "limit=60"]
    assert [each.inconclusive for each in arm.tally.trials] == ["", ""]


async def test_a_trial_that_never_gives_a_result_is_inconclusive(tmp_path: Path) -> None:
    lab = Lab()

    async def answer(job: Job) -> Mapping[str, Any]:
        if job.remedy:
            raise WorkerError("it did not end within 90 s")
        return await Lab.answer(lab, job)

    execution, evidence = comparison(lab, tmp_path, "limit=60", trials=2)
    execution.start = Stopping(lab, answer).start
    with evidence.open(digest="d", says="", seed=7):
        await execution.run()
    (arm,) = [each for each in execution.so_far() if each.arm.remedy == "limit=60"]
    assert [each.inconclusive for each in arm.tally.trials] == ["it did not end within 90 s"] * 2
    assert arm.decision.result is Met.NOT_ENOUGH_TRIALS


async def test_when_trial_after_trial_breaks_the_comparison_ends(tmp_path: Path) -> None:
    broken = Measured(verdict=Verdict.HARNESS_ERROR, inconclusive="the harness broke: disk full")
    lab = Lab(answers={"": broken, "limit=60": broken})
    with pytest.raises(ExceptionGroup) as raised:
        await compared(lab, tmp_path, "limit=60")
    assert f"{BREAKS} trials in a row have broken: the harness broke: disk full" in message(
        raised.value, HarnessError
    )
    assert lab.open == 0


async def test_an_entry_that_changes_meanwhile_ends_the_comparison(tmp_path: Path) -> None:
    lab = Lab()

    async def answer(job: Job) -> Mapping[str, Any]:
        if job.remedy:
            return {"error": "the run is not the one that was planned", "exit_status": 2}
        return await Lab.answer(lab, job)

    execution, evidence = comparison(lab, tmp_path, "limit=60", trials=2)
    execution.start = Stopping(lab, answer).start
    with evidence.open(digest="d", says="", seed=7), pytest.raises(ExceptionGroup) as raised:
        await execution.run()
    assert "not the one that was planned" in message(raised.value, UsageError)


def message(group: ExceptionGroup[Exception], kind: type[CrashloopError]) -> str:
    error = group.exceptions[0]
    assert isinstance(error, kind)
    return error.message


async def test_the_time_left_counts_what_may_be_needed_to_meet_all_or_to_miss_one(
    tmp_path: Path,
) -> None:
    lab, three = Lab(), asyncio.Event()

    async def answer(job: Job) -> Mapping[str, Any]:
        if lab.asked[-1:] and min(len(lab.numbers("")), len(lab.numbers("limit=60"))) == 3:
            three.set()
            await asyncio.Event().wait()
        return await Lab.answer(lab, job)

    execution, evidence = comparison(lab, tmp_path, "limit=60")
    execution.start = Stopping(lab, answer).start
    with evidence.open(digest="d", says="", seed=7):
        work = asyncio.create_task(execution.run())
        await three.wait()
        wanted = {name: arm.wanted for name, arm in execution.schedule.arms.items()}
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
    assert wanted == {"none": 10, "limit=60": 50}
