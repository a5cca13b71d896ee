"""The control life of a user's own app: it is used without a fault, or the run says why not."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from fake_engine import FakeEngine
from journeys import App, OneLife, recorder

from crashloop import control
from crashloop.apps.answers import MAX_ANSWER_BYTES
from crashloop.before import check_before
from crashloop.clock import TimeScale
from crashloop.engines.base import Setup
from crashloop.incidents import incident
from crashloop.journey import Draws, TryCount
from crashloop.model import (
    CONTROL,
    AppUnderTest,
    Journey,
    Life,
    Ready,
    RequestStep,
    Role,
    SqlStep,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from crashloop.control import Healthy
    from crashloop.trace.event import Event
    from crashloop.trace.recorder import Recorder

SHOP = AppUnderTest(name="shop", command=("serve",), ready=Ready(path="/ready", within_s=30))
ORDER = RequestStep(method="POST", path="/orders/{key}", contains="{key}")
READ = RequestStep(method="GET", path="/orders", contains="{key}", within_s=0.6)
COUNT = SqlStep(sql="select count(*) from orders where key = '{key}'", equals=1, within_s=0.2)


class Process(OneLife):
    """A life that ends by SIGTERM, or only by SIGKILL, or on its own."""

    pid = 7
    status = 0
    obeys = True

    async def wait(self) -> int:
        await self.ended.wait()
        return self.status

    async def signal(self, number: signal.Signals) -> bool:
        if self.ended.is_set():
            return False
        if self.obeys or number is signal.SIGKILL:
            self.end(-number)
        return True

    async def stop(self) -> None:
        self.ended.set()

    def end(self, status: int) -> None:
        self.status = status
        self.ended.set()


class Engine(FakeEngine):
    """Starts one life, whose app answers in the test's own process."""

    process: Process
    setup_status: int | None = 0
    answers: list[Any]

    async def set_up(self, *, within_s: float) -> int | None:
        del within_s
        return self.setup_status

    async def start_life(self, life: Life) -> Process:
        assert life == CONTROL
        return self.process

    async def query(self, target: str, sql: str) -> Any:
        del target, sql
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Lab:
    """One control life of an app that answers as `app` says."""

    def __init__(self, folder: Path, app: App, entry: AppUnderTest) -> None:
        self.events: Recorder = recorder()
        self.app = app
        scenario = replace(incident("issue-1278").scenario(Role.CONTROL), app=entry)
        self.setup = Setup(
            scenario=scenario, seed=7, scale=TimeScale(), recorder=self.events, artifacts=folder
        )
        self.engine = Engine(self.events, ())
        self.engine.answers = [1]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Process]:
        async with self.app.serve(CONTROL) as life:
            self.engine.process = Process(address=life.address, life=CONTROL)
            yield self.engine.process

    async def run(self) -> Healthy | None:
        async with self.running():
            return await self.control()

    async def control(self) -> Healthy | None:
        draws = Draws(7)
        journey = self.setup.scenario.app.journey
        tries = TryCount(journey, draws=draws, recorder=self.events)
        return await control.control_life(self.setup, self.engine, draws=draws, tries=tries)

    def data(self, kind: str) -> dict[str, Any]:
        (found,) = [event for event in self.events.events if event.kind == kind]
        return dict(found.data)

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events.events]


def healthy_app() -> App:
    return App().answers("/ready")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "ASK_EVERY_S", 0.001)
    monkeypatch.setattr(control, "REFUSED_BOUND_S", 0.05)
    monkeypatch.setattr(control, "DYING_BOUND_S", 0.01)


async def test_a_healthy_app_is_started_used_and_stopped_by_sigterm(tmp_path: Path) -> None:
    entry = replace(SHOP, journey=Journey(steps=(COUNT,)), before=(COUNT,), setup=("migrate",))
    lab = Lab(tmp_path, healthy_app(), entry)
    assert await lab.run() is not None
    assert lab.kinds == [
        *("setup.finished", "control.started", "control.ready", "before.passed"),
        *["journey.tried"] * (len(lab.kinds) - 5),
        "control.ended",
    ]
    ended = lab.data("control.ended")
    assert (ended["signal"], ended["sigterm_ignored"]) == ("SIGTERM", False)
    assert ended["listens_on"] == ["127.0.0.1"]
    assert lab.data("control.ready")["after_s"] == ended["start_s"] <= ended["run_s"]
    assert {event.life for event in lab.events.events[1:]} == {CONTROL}


async def test_before_and_journey_have_keys_and_numbers_of_their_own(tmp_path: Path) -> None:
    entry = replace(SHOP, journey=Journey(steps=(COUNT,)), before=(COUNT,))
    lab = Lab(tmp_path, healthy_app(), entry)
    await lab.run()
    before = lab.data("before.passed")
    tried = [event for event in lab.events.events if event.kind == "journey.tried"]
    assert before["number"] == 1
    assert before["key"] not in [event.data["key"] for event in tried]


async def test_a_journey_that_works_only_so_often_is_named_with_the_try(tmp_path: Path) -> None:
    lab = Lab(tmp_path, healthy_app(), replace(SHOP, journey=Journey(steps=(COUNT,))))
    lab.engine.answers = [1, 1, 1, 1, 0]
    assert await lab.run() is None
    failed = lab.data("control.failed")
    assert failed["what"] == "journey"
    assert failed["why"].endswith(", at try 5")


async def test_a_failed_setup_starts_nothing_and_shows_its_last_lines(tmp_path: Path) -> None:
    (tmp_path / "setup.log").write_text("migrating\nno such table\n")
    lab = Lab(tmp_path, healthy_app(), replace(SHOP, setup=("migrate",)))
    lab.engine.setup_status = 1
    assert await lab.run() is None
    assert lab.kinds == ["setup.finished", "control.failed"]
    failed = lab.data("control.failed")
    assert (failed["what"], failed["why"]) == ("setup", "the setup command exited with 1")
    assert failed["lines"] == ["migrating", "no such table"]


async def test_only_the_end_of_a_log_of_any_size_is_shown(tmp_path: Path) -> None:
    long = "x" * 60_000
    (tmp_path / "setup.log").write_text(f"{long}\n" * 40 + "no such table\n")
    lab = Lab(tmp_path, healthy_app(), replace(SHOP, setup=("migrate",)))
    lab.engine.setup_status = 1
    assert await lab.run() is None
    *lines, last = lab.data("control.failed")["lines"]
    assert last == "no such table"
    assert len(lines) < 20
    assert sum(map(len, lines)) <= 10_000


async def test_a_setup_that_does_not_end_is_named(tmp_path: Path) -> None:
    lab = Lab(tmp_path, healthy_app(), replace(SHOP, setup=("migrate",)))
    lab.engine.setup_status = None
    assert await lab.run() is None
    assert lab.data("control.failed")["why"] == "the setup command took longer than 300 s"


@pytest.mark.parametrize("status", [404, 500, 307])
async def test_a_ready_path_that_keeps_answering_wrongly_is_named(
    tmp_path: Path, status: int
) -> None:
    lab = Lab(tmp_path, App().answers("/ready", status=status), SHOP)
    assert await lab.run() is None
    failed = lab.data("control.failed")
    assert failed["what"] == "ready_path"
    assert failed["why"].startswith(f"GET /ready has answered {status} for")


async def test_an_app_that_says_it_is_not_ready_yet_has_the_whole_time(tmp_path: Path) -> None:
    entry = replace(SHOP, ready=Ready(path="/ready", within_s=0.8))
    lab = Lab(tmp_path, App().answers("/ready", status=503), entry)
    assert await lab.run() is None
    failed = lab.data("control.failed")
    assert failed["what"] == "not_ready"
    assert failed["why"] == "it was not ready within 0.8 s: GET /ready last answered 503"


async def test_an_app_whose_first_answers_are_wrong_may_still_become_ready(tmp_path: Path) -> None:
    app = App().answers("/ready", status=500).answers("/ready", status=404).answers("/ready")
    assert await Lab(tmp_path, app, SHOP).run() is not None


async def test_a_life_that_ends_before_it_is_ready_is_shown_with_its_last_lines(
    tmp_path: Path,
) -> None:
    (tmp_path / "control.log").write_text("".join(f"line {n}\n" for n in range(50)))
    lab = Lab(tmp_path, App().answers("/ready", status=503), SHOP)
    async with lab.running() as process:
        asyncio.get_running_loop().call_later(0.01, process.end, 3)
        assert await lab.control() is None
    failed = lab.data("control.failed")
    assert (failed["what"], failed["exit_code"]) == ("died", 3)
    assert failed["why"] == "it exited with 3 before it was ready"
    assert failed["lines"] == [f"line {n}" for n in range(30, 50)]
    assert lab.data("control.ended")["exit_code"] == 3


async def test_a_life_that_ends_while_it_is_used_has_died_whatever_it_answered(
    tmp_path: Path,
) -> None:
    lab = Lab(tmp_path, healthy_app(), replace(SHOP, journey=Journey(steps=(COUNT,))))
    lab.engine.answers = [0]
    async with lab.running() as process:
        lab.events.subscribe(lambda e: process.end(1) if e.kind == "control.ready" else None)
        assert await lab.control() is None
    assert lab.data("control.failed")["why"] == ("it exited with 1 while it was used")


@pytest.mark.parametrize("what", ["before", "journey"])
async def test_a_server_that_ends_soon_after_a_step_failed_has_died_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(control, "DYING_BOUND_S", 30)
    entry = replace(SHOP, before=(COUNT,))
    if what == "journey":
        entry = replace(SHOP, journey=Journey(steps=(COUNT,)))
    lab = Lab(tmp_path, healthy_app(), entry)
    lab.engine.answers = [0]
    async with lab.running() as process:
        loop = asyncio.get_running_loop()
        ends_after_s = COUNT.within_s + 0.2  # as gunicorn, which first ends its other workers

        def on_event(event: Event) -> None:
            if event.kind == "control.ready":
                loop.call_later(ends_after_s, process.end, 3)

        lab.events.subscribe(on_event)
        assert await lab.control() is None
    failed = lab.data("control.failed")
    assert (failed["what"], failed["exit_code"]) == ("died", 3)


async def test_a_journey_that_fails_without_a_fault_ends_the_run(tmp_path: Path) -> None:
    app = healthy_app().answers("/orders", status=500)
    step = RequestStep(method="POST", path="/orders", status=201)
    lab = Lab(tmp_path, app, replace(SHOP, journey=Journey(steps=(step,))))
    assert await lab.run() is None
    failed = lab.data("control.failed")
    assert (failed["what"], failed["why"]) == ("journey", "POST /orders: answered 500, not 201")
    assert lab.data("journey.tried")["step"] == 1


async def test_a_step_of_before_that_fails_is_named(tmp_path: Path) -> None:
    lab = Lab(tmp_path, healthy_app(), replace(SHOP, before=(COUNT,)))
    lab.engine.answers = [0]
    assert await lab.run() is None
    failed = lab.data("control.failed")
    assert failed["what"] == "before"
    assert failed["why"] == "step 1 of `before`, the query of postgres: gave 0, not 1"


async def test_an_app_that_ignores_sigterm_is_killed_and_is_healthy_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "TERM_BOUND_S", 0.05)
    lab = Lab(tmp_path, healthy_app(), SHOP)
    async with lab.running() as process:
        process.obeys = False
        assert await lab.control() is not None
    ended = lab.data("control.ended")
    assert (ended["signal"], ended["sigterm_ignored"]) == ("SIGKILL", True)


async def test_an_app_can_say_in_its_output_that_it_is_ready(tmp_path: Path) -> None:
    lab = Lab(tmp_path, healthy_app(), replace(SHOP, ready=Ready(log="listening", within_s=0.05)))
    assert await lab.run() is None
    assert lab.data("control.failed")["why"].endswith(
        "no line of its output has matched 'listening'"
    )
    async with lab.running() as process:
        process.said_ready = True
        assert await lab.control() is not None


async def data_at_the_end(lab: Lab, healthy: Healthy, answers: list[Any]) -> dict[str, Any]:
    lab.engine.answers = answers
    async with lab.app.serve() as life:
        await check_before(
            healthy.before, life.address, life.life, recorder=lab.events, query=lab.engine.query
        )
    return lab.data("before.checked")


@pytest.mark.parametrize(
    ("count", "lost", "doubled"),
    [
        (1, [], []),
        (0, ["the query of postgres gave 0, not 1"], []),
        (None, ["the query of postgres gave None, not 1"], []),
        (2, [], ["the query of postgres gave 2, not 1"]),
    ],
)
async def test_data_from_before_the_fault_is_counted_at_the_end(
    tmp_path: Path, count: int | None, lost: list[str], doubled: list[str]
) -> None:
    lab = Lab(tmp_path, healthy_app(), replace(SHOP, before=(COUNT,)))
    healthy = await lab.run()
    assert healthy is not None
    found = await data_at_the_end(lab, healthy, [count])
    assert found == {"lost": lost, "doubled": doubled, "checked": 1}


@pytest.mark.parametrize("step", [READ, replace(READ, contains="")], ids=["contains", "any"])
async def test_an_answer_that_is_too_long_to_be_read_says_nothing_about_the_data(
    tmp_path: Path, step: RequestStep
) -> None:
    key = Draws(7).next().key
    app = healthy_app().answers("/orders", key.encode())
    app.answers("/orders", b"x" * MAX_ANSWER_BYTES + key.encode())
    lab = Lab(tmp_path, app, replace(SHOP, before=(step,)))
    healthy = await lab.run()
    assert healthy is not None
    found = await data_at_the_end(lab, healthy, [])
    assert found == {"lost": [], "doubled": [], "checked": 0}


@pytest.mark.parametrize(
    ("status", "times", "lost_doubled_checked"),
    [
        (200, 1, (0, 0, 1)),
        (200, 2, (0, 1, 1)),
        (200, 0, (1, 0, 1)),
        (404, 0, (1, 0, 1)),
        (429, 0, (0, 0, 0)),
        (500, 0, (0, 0, 0)),
    ],
)
async def test_data_is_looked_for_in_what_the_app_answers(
    tmp_path: Path, status: int, times: int, lost_doubled_checked: tuple[int, int, int]
) -> None:
    key = Draws(7).next().key
    app = healthy_app().answers("/orders", key.encode())
    app.answers("/orders", (key * times).encode(), status=status)
    lab = Lab(tmp_path, app, replace(SHOP, before=(READ,)))
    healthy = await lab.run()
    assert healthy is not None
    found = await data_at_the_end(lab, healthy, [])
    assert (len(found["lost"]), len(found["doubled"]), found["checked"]) == lost_doubled_checked
