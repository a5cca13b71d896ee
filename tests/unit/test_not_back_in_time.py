"""A run of the user's own app ends once the app had its time to recover after the heal."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from crashloop_own_apps import WITHOUT_JOURNEY, scenario
from fake_engine import FakeEngine
from journeys import App, OneLife

from crashloop.clock import REAL_TIME, TimeScale
from crashloop.lab import run_scenario
from crashloop.model import CONTROL, AppUnderTest, CheckSpec, Life, Outcome, Signature
from crashloop.options import RunOptions
from crashloop.outcome import fate_of
from crashloop.trace.event import NOT_BACK_IN_TIME

EASY = Signature(name="easy", require=(), expect=(CheckSpec(check="evidence_complete"),))


class ControlLife(OneLife):
    """A life that ends at any signal."""

    pid = 7

    async def wait(self) -> int:
        await self.ended.wait()
        return 0

    async def signal(self, number: int) -> bool:
        del number
        self.ended.set()
        return True

    async def stop(self) -> None:
        self.ended.set()


def engine_with(address: tuple[str, int]) -> type[FakeEngine]:
    """An engine with a healthy control life at `address`, and then lives that end at once."""

    class Engine(FakeEngine):
        async def start(self) -> None:
            self.over = asyncio.Event()

        async def start_life(self, life: Life) -> Any:
            return ControlLife(address=address, life=life)

        async def run(self) -> None:
            for attempt in (1, 2, 3):
                life = Life(1, attempt)
                self.recorder.emit("supervisor", "process.started", {"pid": attempt}, life=life)
                self.recorder.emit("supervisor", "process.exited", {"exit_code": 3}, life=life)
            await self.over.wait()

        async def stop(self) -> None:
            self.over.set()

    return Engine


async def test_an_app_that_is_not_back_within_its_time_ends_the_run(tmp_path: Path) -> None:
    app: AppUnderTest = replace(
        WITHOUT_JOURNEY,
        command=(sys.executable,),
        recover_within_s=0.2,
        ready=replace(WITHOUT_JOURNEY.ready, path="/ready"),
    )
    made = replace(scenario(app), signature=EASY)
    async with App().answers("/ready").serve(CONTROL) as served:
        assert served.address is not None
        options = RunOptions(
            artifacts=tmp_path / "run",
            engine=engine_with(served.address),
            scale=TimeScale(factor=REAL_TIME),
        )
        run = await run_scenario(made, options)
    finished = run.trace.first("run.finished")
    assert finished is not None
    assert finished.data["how"] == NOT_BACK_IN_TIME
    healed = run.trace.first("fault.healed")
    assert healed is not None
    assert (finished.mono_ns - healed.mono_ns) / 1e9 >= 0.2
    found = fate_of(run.trace)
    assert found is not None
    assert found.outcome is not Outcome.RECOVERED
