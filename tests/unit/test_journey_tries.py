"""Tries of a journey: again and again while a life answers, until one passes after the heal."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from math import inf
from typing import TYPE_CHECKING, Any

import pytest
from journeys import BOUND_S, App, OneLife, app_entry, no_query, of, recorder

from crashloop.apps.answers import client_of
from crashloop.clock import TimeScale
from crashloop.errors import HarnessError
from crashloop.healing import Healing, recovery_wall_s
from crashloop.incidents import incident
from crashloop.journey import Draw, Draws, StepError, Tries, TryCount, User, Visitor, filled, pace
from crashloop.journey import step as steps
from crashloop.journey.step import take_within
from crashloop.model import (
    CONTROL,
    AppUnderTest,
    Life,
    Moment,
    PlannedFault,
    RequestStep,
    SqlStep,
    Trigger,
    WebSocketStep,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from crashloop.trace.recorder import Recorder

ORDER = RequestStep(method="GET", path="/orders")
GET = RequestStep(method="GET", path="/orders", contains="{key}", within_s=0.3)
COUNT = SqlStep(sql="select 1", equals=1, within_s=0.3)
FAULT = incident("issue-1278").scenario().faults[0]


@pytest.fixture
def events() -> Recorder:
    return recorder()


@pytest.fixture(autouse=True)
def _ask_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "ASK_AGAIN_S", 0.001)
    monkeypatch.setattr(pace, "SHARE", 0.0)


def tries(
    app: AppUnderTest,
    events: Recorder,
    *,
    faults: tuple[PlannedFault, ...] = (FAULT,),
    query: Callable[[str, str], Awaitable[Any]] = no_query,
) -> Visitor:
    walk = Tries(
        TryCount(app.journey, draws=Draws(7), recorder=events),
        has_journey=bool(app.journey.steps),
        healing=Healing(faults, events),
        ask_every_s=0.001,
        pause_s=0.001,
    )
    return Visitor(app=app, replica=1, walk=walk, recorder=events, query=query)


def inject(events: Recorder, name: str = FAULT.name) -> None:
    events.emit("harness", "fault.injected", {"fault": name})


def heal(events: Recorder, name: str = FAULT.name) -> None:
    events.emit("harness", "fault.healed", {"fault": name})


@contextlib.asynccontextmanager
async def visiting(user: Visitor, life: OneLife) -> AsyncIterator[asyncio.Task[None]]:
    visit = asyncio.create_task(user.visit(life))
    try:
        async with asyncio.timeout(BOUND_S):
            yield visit
    finally:
        life.ended.set()
        await visit


def at_try(events: Recorder, number: int, do: Callable[[], object]) -> None:
    """Do something once, when the try of this number has ended."""

    def listen(event: Any) -> None:
        if event.kind == "journey.tried" and event.data["number"] == number:
            do()

    events.subscribe(listen)


async def came(events: Recorder, kind: str) -> None:
    """Wait for the first event of a kind from now on."""
    seen = asyncio.Event()
    events.subscribe(lambda event: seen.set() if event.kind == kind else None)
    await seen.wait()


async def test_tries_go_on_until_the_faults_are_healed_and_then_until_one_passes(
    events: Recorder,
) -> None:
    user = tries(app_entry(ORDER), events)
    inject(events)
    at_try(events, 3, lambda: heal(events))
    app = App().answers("/ready").answers("/orders")
    async with app.serve() as life, visiting(user, life):
        await user.finished.wait()
    numbers = [event.data["number"] for event in of(events, "journey.tried")]
    assert numbers[:4] == [1, 2, 3, 4]
    assert all(event.data["passed"] for event in of(events, "journey.tried"))


async def test_a_try_that_began_under_the_fault_does_not_count_as_recovery(
    events: Recorder,
) -> None:
    asked = asyncio.Event()
    answer = asyncio.Event()

    async def query(target: str, sql: str) -> int:
        del target, sql
        asked.set()
        await answer.wait()
        return 1

    user = tries(app_entry(SqlStep(sql="x", equals=1, within_s=5.0)), events, query=query)
    inject(events)
    async with App().answers("/ready").serve() as life, visiting(user, life):
        await asked.wait()
        heal(events)
        seen: list[bool] = []
        at_try(events, 1, lambda: seen.append(user.finished.is_set()))
        answer.set()
        await user.finished.wait()
    assert seen == [False]
    assert len(of(events, "journey.tried")) >= 2


async def test_without_a_journey_it_is_enough_to_be_ready_after_the_heal(events: Recorder) -> None:
    user = tries(app_entry(), events)
    inject(events)
    async with App().answers("/ready").serve() as life, visiting(user, life):
        await came(events, "ready.answered")
        assert not user.finished.is_set()
        heal(events)
        await user.finished.wait()
    assert not of(events, "journey.tried")


async def test_a_life_that_is_not_ready_does_not_end_the_tries_though_one_passes(
    events: Recorder,
) -> None:
    user = tries(app_entry(ORDER), events, faults=())
    app = App().answers("/ready", status=503).answers("/orders")
    async with app.serve() as life, visiting(user, life):
        done = asyncio.Event()
        at_try(events, 3, done.set)
        await done.wait()
        assert not user.finished.is_set()


async def test_a_life_that_answers_nothing_is_not_tried(events: Recorder) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    life = OneLife(address=server.sockets[0].getsockname())
    user = tries(app_entry(ORDER), events)
    async with server, visiting(user, life):
        await came(events, "ready.answered")
        assert not of(events, "journey.tried")


async def test_equal_failures_are_recorded_until_there_are_many_and_then_each_change(
    events: Recorder,
) -> None:
    app = App().answers("/ready")
    for _ in range(30):
        app.answers("/orders", status=500)
    app.answers("/orders")
    user = tries(app_entry(ORDER), events, faults=())
    async with app.serve() as life, visiting(user, life):
        await user.finished.wait()
    tried = [event.data for event in of(events, "journey.tried")]
    assert [data["number"] for data in tried] == [*range(1, 11), 31]
    assert [data["passed"] for data in tried] == [False] * 10 + [True]
    assert tried[0]["why"] == "GET /orders: answered 500, not 200"
    assert len({data["key"] for data in tried}) == len(tried)


async def test_a_fault_makes_equal_tries_worth_recording_again(events: Recorder) -> None:
    count = TryCount(app_entry(COUNT).journey, draws=Draws(7), recorder=events)
    for _ in range(2):
        for _ in range(12):
            await count.take(Life(1, 1), user_of(1), ended=asyncio.Event())
        inject(events)
    numbers = [event.data["number"] for event in of(events, "journey.tried")]
    assert numbers == [*range(1, 11), *range(13, 23)]


async def test_a_broken_lab_ends_the_visit_while_the_life_still_runs(events: Recorder) -> None:
    async def query(target: str, sql: str) -> Any:
        raise HarnessError(f"{target} is gone: {sql}", hint="run it again")

    user = tries(app_entry(COUNT), events, query=query)
    async with App().answers("/ready").serve() as life, asyncio.timeout(BOUND_S):
        with pytest.raises(HarnessError, match="postgres is gone"):
            await user.visit(life)
        assert not life.ended.is_set()


async def test_equal_tries_are_counted_in_each_life_on_its_own(events: Recorder) -> None:
    count = TryCount(app_entry(COUNT).journey, draws=Draws(7), recorder=events)
    for _ in range(12):
        for replica in (1, 2):
            await count.take(Life(replica, 1), user_of(1), ended=asyncio.Event())
    assert [event.data["number"] for event in of(events, "journey.tried")] == [*range(1, 21)]


async def test_a_try_takes_no_step_after_one_that_failed(events: Recorder) -> None:
    journey = app_entry(COUNT, ORDER).journey
    count = TryCount(journey, draws=Draws(7), recorder=events)
    failed = await count.take(Life(1, 1), user_of(0), ended=asyncio.Event())
    assert failed is not None
    (tried,) = of(events, "journey.tried")
    assert (tried.data["step"], tried.data["why"]) == (1, "the query of postgres: gave 0, not 1")


def user_of(*answers: Any) -> User:
    """A user without an app: each query gives the next answer, and the last one for ever."""
    left = list(answers)

    async def query(target: str, sql: str) -> Any:
        del target, sql
        return left.pop(0) if len(left) > 1 else left[0]

    return User(client=None, address=("127.0.0.1", 1), query=query)  # type: ignore[arg-type]


async def test_a_query_is_asked_again_within_its_time() -> None:
    answer = await take_within(COUNT, user_of(None, 0, 1), ended=asyncio.Event())
    assert answer.short == 1


async def test_what_was_answered_last_is_the_reason_though_the_time_ended_in_a_wait() -> None:
    answers = [0, 0]

    async def query(target: str, sql: str) -> Any:
        del target, sql
        return answers.pop() if answers else await asyncio.Event().wait()

    user = User(client=None, address=("127.0.0.1", 1), query=query)  # type: ignore[arg-type]
    with pytest.raises(StepError, match="gave 0, not 1"):
        await take_within(COUNT, user, ended=asyncio.Event())


async def test_a_step_without_any_answer_names_its_whole_time() -> None:
    async def query(target: str, sql: str) -> Any:
        del target, sql
        await asyncio.Event().wait()

    user = User(client=None, address=("127.0.0.1", 1), query=query)  # type: ignore[arg-type]
    with pytest.raises(StepError, match=r"no answer within 0\.3 s"):
        await take_within(COUNT, user, ended=asyncio.Event())


async def test_a_connection_that_is_reset_before_an_answer_is_named_in_words() -> None:
    def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        at_once = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: a RST instead of a FIN
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        writer.close()

    async with await asyncio.start_server(reset, "127.0.0.1", 0) as server:
        address = server.sockets[0].getsockname()
        async with client_of(address) as client:
            user = User(client=client, address=address, query=no_query)
            with pytest.raises(StepError, match=r"Error: \w"):
                await take_within(ORDER, user, ended=asyncio.Event())


async def test_a_query_is_not_asked_again_once_the_life_has_ended() -> None:
    ended = asyncio.Event()
    ended.set()
    with pytest.raises(StepError, match="gave 0, not 1"):
        await take_within(COUNT, user_of(0, 1), ended=ended)


@pytest.mark.parametrize(("step", "often"), [(ORDER, False), (GET, True)])
async def test_only_a_request_that_looks_for_something_is_repeated(
    events: Recorder, step: RequestStep, often: bool
) -> None:
    app = App().answers("/ready").answers("/orders", status=404)
    count = TryCount(app_entry(step).journey, draws=Draws(7), recorder=events)
    async with app.serve() as life:
        assert life.address is not None
        async with client_of(life.address) as client:
            one = User(client=client, address=life.address, query=no_query)
            assert await count.take(Life(1, 1), one, ended=asyncio.Event())
    assert (app.asked.count("/orders") > 1) is often


def test_every_draw_of_a_run_is_new_and_the_same_for_the_same_seed() -> None:
    draws, again = Draws(7), Draws(7)
    drawn = [draws.next() for _ in range(3)]
    assert drawn == [again.next() for _ in range(3)]
    assert [each.number for each in drawn] == [1, 2, 3]
    assert len({each.key for each in drawn}) == 3


def test_a_number_is_a_number_where_json_has_nothing_else() -> None:
    draw = Draw("k", 7)
    step = RequestStep(
        method="POST", path="/{number}", json={"id": "{number}", "name": "n{number}-{key}"}
    )
    assert filled(step, draw) == RequestStep(
        method="POST", path="/7", json={"id": 7, "name": "n7-k"}
    )
    chat = filled(WebSocketStep(path="/", send=["{number}"], expect={"n": "{number}"}), draw)
    assert chat == WebSocketStep(path="/", send=[7], expect={"n": 7})


async def test_the_time_to_recover_begins_with_the_last_heal_again(events: Recorder) -> None:
    other = PlannedFault(
        name="other",
        kind=FAULT.kind,
        target=FAULT.target,
        params=FAULT.params,
        inject=Trigger(first_of=(Moment(on="a"),)),
        heal=Trigger(first_of=(Moment(on="b"),)),
        receipt=FAULT.receipt,
    )
    healing = Healing((FAULT, other), events)
    inject(events)
    heal(events)
    assert not healing.is_healed, "the other one was not on yet"
    inject(events, "other")
    heal(events, "other")
    assert healing.is_healed
    passed = asyncio.create_task(healing.passed(0.03))
    await asyncio.sleep(0)
    inject(events)
    assert not healing.is_healed
    heal(events)
    healed_s = time.monotonic()
    await passed
    assert time.monotonic() - healed_s > 0.02


def test_the_time_to_recover_is_the_platforms_longest_back_off_and_three_starts() -> None:
    scenario = incident("issue-1278").scenario()
    assert recovery_wall_s(scenario, TimeScale(factor=1.0), start_s=2.0) == 60 + 3 * 2 + 10
    assert recovery_wall_s(scenario, TimeScale(factor=20.0), start_s=2.0) == 3 + 3 * 2 + 10


async def asked_within(within_s: float, *, passes_after_s: float = inf) -> tuple[int, bool]:
    """How often a query is asked whose value is right after a while, and whether it has passed."""
    asked = 0
    begun_s = time.monotonic()

    async def query(target: str, sql: str) -> int:
        nonlocal asked
        del target, sql
        asked += 1
        return int(time.monotonic() - begun_s >= passes_after_s)

    user = User(client=None, address=("127.0.0.1", 1), query=query)  # type: ignore[arg-type]
    step = SqlStep(sql="select 1", equals=1, within_s=within_s)
    try:
        await take_within(step, user, ended=asyncio.Event())
    except StepError:
        return asked, False
    return asked, True


async def test_a_step_that_reads_is_asked_again_after_pauses_that_double() -> None:
    asked, passed = await asked_within(0.3)
    assert not passed
    assert 2 < asked <= 12


async def test_a_step_that_reads_is_asked_once_more_at_the_end_of_its_time() -> None:
    _, passed = await asked_within(0.3, passes_after_s=0.25)
    assert passed


async def test_a_failing_journey_is_tried_rarely_and_at_once_when_the_fault_is_healed(
    events: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "SHARE", 1e6)  # never again, as long as nothing changes
    user = tries(app_entry(ORDER), events)
    inject(events)
    app = App().answers("/ready").answers("/orders", status=500)
    async with app.serve() as life, visiting(user, life):
        await tried(events, 2)
        app.becomes("/orders")
        assert not user.finished.is_set()
        heal(events)
        await user.finished.wait()
    assert [event.data["passed"] for event in of(events, "journey.tried")] == [False, False, True]


async def tried(events: Recorder, number: int) -> None:
    """Wait until the try of this number has ended."""
    done = asyncio.Event()
    at_try(events, number, done.set)
    if len(of(events, "journey.tried")) < number:
        await done.wait()


async def test_a_try_of_a_scaled_run_has_the_time_that_its_steps_took_without_a_fault(
    events: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "MIN_STEP_S", 0.001)

    async def query(target: str, sql: str) -> int:
        del target, sql
        await asyncio.sleep(0.02)  # the step's own work
        return 1

    count = TryCount(app_entry(COUNT).journey, draws=Draws(7), recorder=events)
    user = User(client=None, address=("127.0.0.1", 1), query=query)  # type: ignore[arg-type]
    assert await count.take(CONTROL, user, ended=asyncio.Event()) is None
    (control,) = of(events, "journey.tried")
    count.scale(TimeScale(factor=1000.0))
    (step,) = count.journey.steps
    assert step.within_s == pytest.approx(3 * control.data["took_s"], abs=0.01)


def test_a_fault_that_each_life_meets_is_healed_by_the_last_of_its_deaths(
    events: Recorder,
) -> None:
    (fault,) = incident("fault:killed").scenario().faults
    healing = Healing((fault,), events)

    def healed(trigger: str) -> None:
        events.emit("harness", "fault.healed", {"fault": fault.name, "trigger": trigger})

    inject(events, fault.name)
    healed("process.exited")
    assert not healing.is_healed, "the next life meets it, too"
    inject(events, fault.name)
    healed("process.exited")
    assert healing.is_healed


def test_a_fault_that_each_life_meets_is_healed_when_a_life_outlasts_it(events: Recorder) -> None:
    (fault,) = incident("fault:killed").scenario().faults
    healing = Healing((fault,), events)
    inject(events, fault.name)
    late = "90 s after phase.started (phase dependencies)"
    events.emit("harness", "fault.healed", {"fault": fault.name, "trigger": late})
    assert healing.is_healed
