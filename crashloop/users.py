"""The users of a run's replicas: what they do, when they are served again, what became of data."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from crashloop.before import check_before
from crashloop.healing import Healing, recovery_wall_s, slack_s
from crashloop.journey import Draw, PatientJourney, Tries, Visitor, journey_key

if TYPE_CHECKING:
    from crashloop.control import Healthy
    from crashloop.engines.base import Attempt, Engine, Setup
    from crashloop.journey import TryCount

MIN_ASK_S = 0.05
PAUSE_S = 0.5
SCALED_PAUSE_S = 0.1


class Users:
    """One visitor for each replica of the new revision.

    `healthy` is what the control life of a user's own app has shown. The app is asked whether it is
    ready as often as its entry says; in a scaled run, that much more often, but at most every
    50 ms, so that a fault that lasts a second is seen. Likewise, tries of a journey follow each
    other after 0.5 s, and after 0.1 s in a scaled run. `tries` has the journey that they take.
    """

    def __init__(
        self, setup: Setup, engine: Engine, *, tries: TryCount, healthy: Healthy | None
    ) -> None:
        self._setup = setup
        self._engine = engine
        self._healthy = healthy
        self._attempts: list[Attempt] = []
        self._healing = Healing(setup.scenario.faults, setup.recorder)
        self.visitors = {
            replica: self._visitor(replica, tries)
            for replica in range(1, setup.scenario.replicas.count + 1)
        }

    async def visit(self, attempt: Attempt) -> None:
        """Visit a life until it has ended; one of the old revision has no visitor."""
        visitor = self.visitors.get(attempt.life.replica)
        if visitor is not None:
            self._attempts.append(attempt)
            await visitor.visit(attempt)

    async def finished(self) -> None:
        """Wait until the users of every replica have finished."""
        for visitor in self.visitors.values():
            await visitor.finished.wait()

    async def too_late(self) -> None:
        """Wait until a user's own app had its time to recover after the last heal."""
        if self._healthy is None:
            await asyncio.Event().wait()
            return
        start_s = self._healthy.start_s
        wall_s = recovery_wall_s(self._setup.scenario, self._setup.scale, start_s=start_s)
        await self._healing.passed(wall_s)

    def deadline_wall_s(self) -> float:
        """How many wall seconds the lives may last.

        The starts of a user's own app come on top of the scenario's deadline: they are real work.
        """
        starts_s = slack_s(self._healthy.start_s) if self._healthy else 0.0
        return self._setup.scale.wall_s(self._setup.scenario.deadline_s) + starts_s

    def data_wall_s(self) -> float:
        """How many wall seconds `check_data` may last: the time that each step has of its own."""
        steps = self._healthy.before.steps if self._healthy else ()
        return sum(step.within_s for step, _ in steps)

    def leave(self) -> None:
        """The app is about to be stopped: ask it nothing more."""
        for visitor in self.visitors.values():
            visitor.over.set()

    async def check_data(self) -> None:
        """Look for what the control life of a user's own app was given."""
        if self._healthy is None or not self._healthy.before.steps:
            return
        lives = [each for each in self._attempts if not each.ended.is_set()]
        last = lives[-1] if lives else None
        await check_before(
            self._healthy.before,
            last.address if last else None,
            last.life if last else None,
            recorder=self._setup.recorder,
            query=self._engine.query,
        )

    def _visitor(self, replica: int, tries: TryCount) -> Visitor:
        setup, app = self._setup, self._setup.scenario.app
        visitor = partial(
            Visitor, app=app, replica=replica, recorder=setup.recorder, query=self._engine.query
        )
        is_own = setup.scenario.is_own_app
        if app.journey.patient or not is_own:
            return visitor(
                walk=PatientJourney(
                    app=replace(app, journey=tries.journey),
                    draw=Draw(journey_key(setup.seed, replica), replica),
                    recorder=setup.recorder,
                    healing=self._healing if setup.scenario.journey_after_heal else None,
                    lasting=self._healing if is_own else None,
                )
            )
        is_real_time, every_s = setup.scale.is_real_time, app.ready.every_s
        walk = Tries(
            tries,
            has_journey=bool(app.journey.steps),
            healing=self._healing,
            ask_every_s=every_s if is_real_time else max(setup.scale.wall_s(every_s), MIN_ASK_S),
            pause_s=PAUSE_S if is_real_time else SCALED_PAUSE_S,
        )
        return visitor(walk=walk)
