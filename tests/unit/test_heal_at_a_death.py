"""A fault that is healed at a death is over before the next life, however long healing it takes."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from fake_engine import FakeEngine, NoPath, NoPorts
from supervised import AppLife

from crashloop.clock import TimeScale
from crashloop.errors import HarnessError
from crashloop.incidents import incident
from crashloop.lab import run_scenario
from crashloop.model import CheckSpec, Moment, Role, Signature, Trigger, Verdict
from crashloop.options import RunOptions
from crashloop.platforms import parse_platform
from crashloop.run import VERDICT_FILE
from crashloop.supervisor.replicas import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crashloop.engines.base import Attempt
    from crashloop.model import Life
    from crashloop.supervisor.life import BeforeRestart
    from crashloop.trace.recorder import Recorder

SECOND_DEATH = Moment(on="process.exited", where={"replica": 1, "attempt": 2})
SCENARIO = replace(
    incident("issue-1278").scenario(Role.CONTROL),
    platform=parse_platform("docker:on-failure:6"),
    faults=(
        replace(
            incident("issue-1278").scenario().faults[0],
            inject=Trigger(first_of=(Moment(on="baseline.passed"),)),
            heal=Trigger(first_of=(SECOND_DEATH,)),
        ),
    ),
    signature=Signature(name="easy", require=(), expect=(CheckSpec(check="evidence_complete"),)),
)
BACKOFF_WALL_S = 0.2 / 20


class Outage(NoPath):
    """A path and an app, which dies at once while the path's fault is on, and else exits with 0.

    The heal begins with `heals`, and ends when `may_heal` is set, with an error if there is one.
    `met` says of each life whether it was started while the fault was on.
    """

    def __init__(self, *, error: Exception | None = None) -> None:
        self.met: list[bool] = []
        self.heals, self.may_heal, self.has_third = (asyncio.Event() for _ in range(3))
        self._is_on = False
        self._error = error

    async def inject(self, fault_id: str, fault: object) -> None:
        del fault_id, fault
        self._is_on = True

    async def heal(self, fault_id: str) -> None:
        del fault_id
        self.heals.set()
        await self.may_heal.wait()
        if self._error is not None:
            raise self._error
        self._is_on = False

    async def start(self, life: Life) -> AppLife:
        self.met.append(self._is_on)
        if life.attempt == 3:
            self.has_third.set()
        return AppLife(life, status=3 if self._is_on else 0)

    async def heals_for_longer_than_the_backoff(self) -> None:
        """Wait for the heal, and then for the third life or several times its back-off."""
        async with asyncio.timeout(5):
            await self.heals.wait()
        third = asyncio.create_task(self.has_third.wait())
        await asyncio.wait({third}, timeout=5 * BACKOFF_WALL_S)
        third.cancel()

    def engine(self) -> type[FakeEngine]:
        outage = self

        class Ports(NoPorts):
            def path(self, target: str) -> NoPath:
                del target
                return outage

        class Engine(FakeEngine):
            def __init__(self, recorder: Recorder, targets: tuple[str, ...]) -> None:
                super().__init__(recorder, targets)
                self.ports = Ports(recorder)

            def replica_set(
                self, on_attempt: Callable[[Attempt], None], before_restart: BeforeRestart
            ) -> Any:
                del on_attempt
                return Supervisor(
                    platform=SCENARIO.platform,
                    replicas=SCENARIO.replicas,
                    scale=TimeScale(),
                    recorder=self.recorder,
                    start=outage.start,
                    seed=7,
                    before_restart=before_restart,
                )

        return Engine


def options(folder: Path, outage: Outage) -> RunOptions:
    return RunOptions(artifacts=folder / "run", engine=outage.engine())


async def test_the_life_after_the_death_that_heals_starts_when_the_heal_is_done(
    tmp_path: Path,
) -> None:
    outage = Outage()
    running = asyncio.create_task(run_scenario(SCENARIO, options(tmp_path, outage)))
    await outage.heals_for_longer_than_the_backoff()
    outage.may_heal.set()
    run = await running

    assert outage.met == [True, True, False]
    (healed,), started = run.trace.of("fault.healed"), run.trace.of("process.started")
    assert healed.mono_ns <= started[2].mono_ns
    assert started[2].data["held_s"] >= 2 * BACKOFF_WALL_S
    assert not any("held_s" in each.data for each in started[:2])


async def test_a_heal_that_fails_while_a_start_waits_for_it_ends_the_run_with_its_error(
    tmp_path: Path,
) -> None:
    outage = Outage(error=HarnessError("the path is gone"))
    running = asyncio.create_task(run_scenario(SCENARIO, options(tmp_path, outage)))
    await outage.heals_for_longer_than_the_backoff()
    outage.may_heal.set()
    async with asyncio.timeout(5):
        run = await running

    assert run.verdict is Verdict.HARNESS_ERROR
    assert "the path is gone" in run.judgement.reason
    assert outage.met == [True, True]


async def test_an_interrupt_while_a_start_waits_for_a_heal_ends_the_run(tmp_path: Path) -> None:
    outage = Outage()
    running = asyncio.create_task(run_scenario(SCENARIO, options(tmp_path, outage)))
    await outage.heals_for_longer_than_the_backoff()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await running

    assert "interrupted" in json.loads((tmp_path / "run" / VERDICT_FILE).read_text())["reason"]
    assert outage.met == [True, True]
