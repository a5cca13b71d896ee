"""A comparison from its plan to its results: controls first, then the trials of all arms."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass, field, replace
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any, Protocol

from crashloop.campaign.decision import decide_so_far
from crashloop.campaign.fairness import Fair, Work, find_fair
from crashloop.campaign.measure import Measured
from crashloop.campaign.page import longest_s
from crashloop.campaign.process import Worker, WorkerError, crew
from crashloop.campaign.schedule import Schedule
from crashloop.campaign.tally import Tally
from crashloop.errors import HarnessError, UsageError
from crashloop.model import Verdict
from crashloop.remedies import NONE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from crashloop.campaign.decision import Decision
    from crashloop.campaign.evidence import Earlier, Evidence
    from crashloop.campaign.looks import Look
    from crashloop.campaign.plan import Campaign, PlannedArm
    from crashloop.campaign.process import Asked, Crew
    from crashloop.model import Scenario
    from crashloop.model.comparison import Criterion

TRIES = 2
"""How often a trial is tried whose worker died, or took too long."""
BREAKS = 6
"""After so many trials in a row that broke, the comparison ends."""
# A run has bounds of its own; this one, in wall seconds beyond its window, is for one that hangs.
BOUND_S = 600.0
LIMIT = "limit_s"


class View(Protocol):
    """Shows a comparison while it runs."""

    def controls(self, at_once: int, scale: float, /) -> None:
        """So many controls run at once."""

    def unfair(self, why: str, /) -> None:
        """Controls were not fair; `why`, and what is tried next."""

    def fair(self, fair: Fair, arms: Sequence[PlannedArm], /) -> None:
        """What the controls have found, and the arms with their scales."""

    def begun(self, arm: PlannedArm, number: int, /) -> None:
        """A trial runs."""

    def ended(self, arm: PlannedArm, number: int, trial: Measured, /, *, earlier: bool) -> None:
        """A trial has ended, now or in an earlier part of the comparison."""

    def looked(self, arm: PlannedArm, decision: Decision, /) -> None:
        """An arm was looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSoFar:
    """An arm with its trials in the order of their numbers, and what they decide."""

    arm: PlannedArm
    tally: Tally
    decision: Decision


@dataclass(slots=True, kw_only=True)
class Execution:
    """Runs `campaign` at `scale`, or at a smaller one where that is not fair."""

    campaign: Campaign
    criteria: Sequence[Criterion]
    looks: Sequence[Look]
    scale: float
    processors: int
    evidence: Evidence
    earlier: Earlier
    view: View
    start: Callable[[], Awaitable[Asked]] = Worker.start
    clock: Callable[[], float] = time.monotonic
    schedule: Schedule = field(init=False)
    at_once: int = 1
    _arms: dict[str, PlannedArm] = field(init=False)
    _scenarios: dict[str, Scenario] = field(init=False)
    _trials: dict[str, dict[int, Measured]] = field(init=False)
    _began_s: float = 0.0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _broken: int = 0
    _controls: int = 0

    def __post_init__(self) -> None:
        arms = [replace(each, scale=self.scale) for each in self.campaign.arms]
        self._arms = {each.name: each for each in arms}
        self._scenarios = {each.name: self.campaign.scenario(each) for each in arms}
        self._trials = {each.name: {} for each in arms}
        self.schedule = self._scheduled()

    async def run(self) -> None:
        """Run until every arm is decided or has no trial left.

        DoesNotWorkError if the app does not work without a fault, CapabilityError if the machine
        is too slow, HarnessError if trial after trial broke or the results cannot be written.
        """
        self._began_s = self.clock()
        async with crew(self.start) as workers:
            fair = await self._fair(workers)
            self.at_once = fair.at_once
            self._arms = {name: self._scaled(each, fair) for name, each in self._arms.items()}
            self.schedule = self._scheduled()
            self.view.fair(fair, [*self._arms.values()])
            self._take_in()
            async with asyncio.TaskGroup() as group:
                for _ in range(self.at_once):
                    group.create_task(self._trial_after_trial(workers))

    def so_far(self) -> list[ArmSoFar]:
        """Every arm with the trials that have ended, up to the first that has not."""
        return [
            ArmSoFar(arm=arm, tally=self._tally(name), decision=self._decision(name))
            for name, arm in self._arms.items()
        ]

    @property
    def wall_s(self) -> float:
        """Wall seconds that the comparison has run, its earlier parts included."""
        return self.earlier.wall_s + (self.clock() - self._began_s if self._began_s else 0.0)

    @property
    def trials(self) -> int:
        """How many trials have ended."""
        return sum(map(len, self._trials.values()))

    async def _fair(self, workers: Crew) -> Fair:
        """What the controls find, or have found in an earlier part of the comparison."""
        if self.earlier.fair is not None:
            return self.earlier.fair

        async def controls(at_once: int, scale: float) -> list[Work]:
            self.view.controls(at_once, scale)
            await workers.ready(at_once)
            arm = replace(self.campaign.arms[0], scale=scale)
            async with asyncio.TaskGroup() as group:
                made = [group.create_task(self._control(workers, arm)) for _ in range(at_once)]
            return [each.result() for each in made]

        fair = await find_fair(
            controls, scale=self.scale, processors=self.processors, tell=self.view.unfair
        )
        self.evidence.add_fair(asdict(fair), wall_s=self.wall_s)
        return fair

    async def _control(self, workers: Crew, arm: PlannedArm) -> Work:
        self._controls += 1
        job = self.campaign.control(arm, self._controls)
        folder = self.evidence.free("controls", f"{self._controls:03}")
        try:
            answer = await workers.ask(job.in_folder(str(folder)), bound_s=self._bound_s(arm))
        except WorkerError as error:
            raise HarnessError(f"a control run gave no result: {error}") from None
        if "work" not in answer:
            raise HarnessError(
                f"a control run broke: {answer.get('error')}", hint=str(answer.get("hint") or "")
            )
        return Work(**answer["work"])

    async def _trial_after_trial(self, workers: Crew) -> None:
        """Run trials until none is left; wait while the others' may bring new ones."""
        while not self.schedule.is_done:
            taken = self.schedule.take(self.clock())
            if taken is None:
                await self._changed.wait()
                continue
            name, number = taken
            arm = self._arms[name]
            self.view.begun(arm, number)
            answer = await self._answer(workers, arm, number)
            trial = _measured(answer)
            self.evidence.add_trial(name, number, answer, wall_s=self.wall_s)
            self._require_working(trial, str(answer.get("hint") or ""))
            self._take(arm, number, trial, now_s=self.clock())

    async def _answer(self, workers: Crew, arm: PlannedArm, number: int) -> Mapping[str, Any]:
        """The answer to a trial; one that says why, where no worker gave any."""
        why = ""
        for _ in range(TRIES):
            folder = self.evidence.free("trials", arm.folder, f"{number:03}")
            job = self.campaign.job(arm, number).in_folder(str(folder))
            try:
                answer = await workers.ask(job, bound_s=self._bound_s(arm))
            except WorkerError as error:
                why = str(error)
                continue
            if answer.get("exit_status") == UsageError.exit_status:
                raise UsageError(str(answer["error"]), hint=str(answer.get("hint") or ""))
            return answer
        return {"error": why}

    def _take_in(self) -> None:
        """Take in the trials of earlier parts of the comparison, look after look."""
        for name, arm in self._arms.items():
            progress, taken = self.schedule.arms[name], -1
            while taken < progress.ended and not progress.is_decided:
                taken = progress.ended
                for number in range(1, progress.until + 1):
                    answer = self.earlier.trials.get((name, number))
                    if answer is not None and number not in progress.begun:
                        self._take(arm, number, _measured(answer))

    def _take(
        self, arm: PlannedArm, number: int, trial: Measured, *, now_s: float | None = None
    ) -> None:
        """Count a trial, and look at its arm if it is time; `now_s` None: it is an earlier one."""
        self._trials[arm.name][number] = trial
        is_time = self.schedule.end(arm.name, number, now_s, counts=trial.counts)
        self.view.ended(arm, number, trial, earlier=now_s is None)
        decision = self._decision(arm.name)
        if is_time:
            self.schedule.look(arm.name, decided=decision.is_final)
            self.view.looked(arm, decision)
        self.schedule.expect(arm.name, self._wanted(arm.name, decision))
        self._changed.set()
        self._changed = asyncio.Event()

    def _wanted(self, name: str, decision: Decision) -> int | None:
        """How many trials may decide the arm: one criterion is enough to reject it."""
        tally = self._tally(name)
        to_meet, to_reject = [0], list[int]()
        for criterion, each in zip(self.criteria, decision.results, strict=True):
            rate = tally.sample(criterion.name).rate
            if each.trials_needed is None or rate is None:
                continue
            is_above = rate > criterion.value
            (to_meet if is_above is criterion.wants_more else to_reject).append(each.trials_needed)
        return min(to_reject) if to_reject else max(to_meet) or None

    def _require_working(self, trial: Measured, hint: str) -> None:
        """HarnessError when trial after trial breaks: the others would, too."""
        self._broken = self._broken + 1 if trial.verdict is Verdict.HARNESS_ERROR else 0
        if self._broken == BREAKS:
            raise HarnessError(
                f"{BREAKS} trials in a row have broken: {trial.inconclusive}", hint=hint
            )

    def _scaled(self, arm: PlannedArm, fair: Fair) -> PlannedArm:
        """The arm at the largest scale that its own limit allows."""
        scenario = self._scenarios[arm.name]
        limit_s = float(scenario.app.knobs.get(LIMIT, 0.0))
        return replace(
            arm,
            scale=fair.scale_for(limit_s, scenario.phase),
            scale_note=fair.note(limit_s, scenario.phase),
        )

    def _scheduled(self) -> Schedule:
        usual_s = longest_s(self.campaign)
        return Schedule(
            {name: usual_s * self.scale / arm.scale for name, arm in self._arms.items()},
            looks=[each.trials for each in self.looks],
        )

    def _bound_s(self, arm: PlannedArm) -> float:
        return self._scenarios[arm.name].deadline_s / arm.scale + BOUND_S

    def _tally(self, name: str) -> Tally:
        """The trials that have ended, up to the first that has not."""
        trials = self._trials[name]
        first = takewhile(trials.__contains__, count(1))
        return Tally(trials=tuple(trials[number] for number in first))

    def _decision(self, name: str) -> Decision:
        needs_outage = self._arms[name].remedy == NONE
        return decide_so_far(
            self._tally(name), self.criteria, self.looks, needs_outage=needs_outage
        )


def _measured(answer: Mapping[str, Any]) -> Measured:
    """What an answer says; a trial without a result is one in which the harness broke."""
    if "measured" in answer:
        return Measured.from_json(answer["measured"])
    return Measured(verdict=Verdict.HARNESS_ERROR, inconclusive=str(answer.get("error")))
