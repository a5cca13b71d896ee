"""The user of the app: ports that do not answer, apps that answer wrongly, and whole journeys."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest
from journeys import BOUND_S, KEY, App, OneLife, app_entry, no_query, of, recorder, visitor

from crashloop.apps import answers, sample_app
from crashloop.healing import Healing
from crashloop.incidents import incident
from crashloop.journey import Draw, PatientJourney, Visitor, journey_key, pace, patient
from crashloop.journey import visitor as visitor_module
from crashloop.model import Life, RequestStep, SqlStep, WebSocketStep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.trace.recorder import Recorder

READY = b'{"phases": {"database": "complete", "cache": "complete"}}'
DEGRADED = b'{"phases": {"database": "degraded"}}'
IS_READY = {"phases": {"database": "complete"}}
FAULTS = incident("issue-1278").scenario().faults
STEPS = (
    WebSocketStep(path="/ws", send={"text": "hello", "key": "{key}"}, expect={"key": "{key}"}),
    RequestStep(method="GET", path="/messages?key={key}", contains="{key}"),
    SqlStep(sql="select count(*) from messages where key = '{key}'", equals=1),
)


@pytest.fixture
def events() -> Recorder:
    return recorder()


@pytest.fixture(autouse=True)
def _ask_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patient, "ASK_AGAIN_S", 0.001)
    monkeypatch.setattr(patient, "ASK_EVERY_S", 0.001)


@pytest.fixture
def silent_port() -> Iterator[tuple[str, int]]:
    """A port at which SYNs get no answer: its backlog is full, and nobody accepts."""
    if sys.platform != "linux":
        pytest.skip("other kernels answer all the same")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address: tuple[str, int] = server.getsockname()
        for _ in range(2):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(address)
        yield address


def chat_app() -> App:
    said = json.dumps({"key": KEY, "stored": True}).encode()
    listed = json.dumps({"messages": [{"key": KEY}]}).encode()
    return App(chat=said).answers("/messages", listed)


async def until_finished(user: Visitor, life: OneLife) -> None:
    """Visit a life until the journey has ended, and the run with it."""
    visiting = asyncio.create_task(user.visit(life))
    async with asyncio.timeout(BOUND_S):
        await user.finished.wait()
        user.over.set()
        await visiting


async def one_row(target: str, sql: str) -> Any:
    return int(target == "postgres" and f"'{KEY}'" in sql)


async def test_a_port_that_drops_packets_does_not_block_the_run(
    events: Recorder, silent_port: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "CONNECT_BOUND_S", 3600.0)
    monkeypatch.setattr(visitor_module, "LOOK_EVERY_S", 3600.0)
    visiting = asyncio.create_task(visitor(app_entry(), events).visit(OneLife(address=silent_port)))
    async with asyncio.timeout(BOUND_S):
        await asyncio.sleep(0)  # into its first probe
        visiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await visiting


async def test_a_probe_without_an_answer_does_not_count(
    events: Recorder, silent_port: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "CONNECT_BOUND_S", 0.001)
    life = OneLife(address=silent_port)
    visiting = asyncio.create_task(visitor(app_entry(), events).visit(life))
    asyncio.get_running_loop().call_later(0.05, life.ended.set)
    async with asyncio.timeout(BOUND_S):
        await visiting

    (watched,) = events.events
    assert (watched.kind, watched.data) == ("port.watched", {"probes": 0, "opened": False})


@pytest.mark.parametrize("status", [401, 404])
async def test_an_app_that_does_not_know_its_ready_path_fails_its_journey(
    events: Recorder, status: int
) -> None:
    events.emit("app", "startup.completed", life=Life(1, 1))
    user, app = visitor(app_entry(), events), App().answers("/ready", status=status)
    async with app.serve() as life:
        await until_finished(user, life)

    assert app.asked == ["/ready"] * patient.MAX_REFUSALS
    assert user.finished.is_set()
    (answered,) = of(events, "ready.answered")
    assert answered.data == {"ready": False, "status_code": status, "answer": {}}
    (failed,) = of(events, "journey.failed")
    assert failed.data["why"] == f"GET /ready answered {status}, 10 times after start-up"


@pytest.mark.parametrize(("status", "started"), [(404, Life(1, 2)), (404, None), (503, Life(1, 1))])
async def test_an_app_that_may_become_ready_is_asked_until_it_ends(
    events: Recorder, status: int, started: Life | None
) -> None:
    if started is not None:
        events.emit("app", "startup.completed", life=started)
    user, app = visitor(app_entry(), events), App()
    for _ in range(2 * patient.MAX_REFUSALS):
        app.answers("/ready", status=status)
    app.answers("/ready", b'{"last": 1}', status=status)
    async with app.serve() as life:
        events.subscribe(lambda event: life.ended.set() if event.data.get("answer") else None)
        await user.visit(life)

    assert len(app.asked) > 2 * patient.MAX_REFUSALS
    assert not user.finished.is_set()
    assert not of(events, "journey.failed")


async def test_a_journey_passes_step_by_step_with_its_key_in_each(events: Recorder) -> None:
    app = chat_app().answers("/ready", READY)
    user = visitor(app_entry(*STEPS, json=IS_READY), events, one_row)
    async with app.serve() as life:
        await until_finished(user, life)

    assert json.loads(app.said[0]) == {"text": "hello", "key": KEY}
    steps = of(events, "journey.step")
    assert [(e.source, e.target, e.data["step"], e.data["of"], e.data["says"]) for e in steps] == [
        ("harness", None, 1, 3, "WebSocket /ws answered"),
        ("harness", None, 2, 3, "GET /messages answered"),
        ("database", "postgres", 3, 3, "the query of postgres answered"),
    ]
    assert {event.data["key"] for event in steps} == {KEY}
    assert steps[0].data["answered"] == {"key": KEY[:40], "stored": True}
    assert {event.life for event in steps} == {Life(1, 1)}
    assert user.finished.is_set()


async def test_a_degraded_app_is_used_before_it_is_ready_and_each_step_is_taken_once(
    events: Recorder,
) -> None:
    app = chat_app().answers("/ready", DEGRADED).answers("/ready", DEGRADED)
    app.answers("/ready", READY)
    user = visitor(app_entry(*STEPS, json=IS_READY), events, one_row)
    async with app.serve() as life:
        await until_finished(user, life)

    assert [event.data["ready"] for event in of(events, "ready.answered")] == [False, True]
    assert len(app.said) == 1
    assert len(of(events, "journey.step")) == 3
    kinds = [event.kind for event in events.events]
    assert kinds.index("journey.step") < len(kinds) - 1 - kinds[::-1].index("ready.answered")
    assert user.finished.is_set()


async def test_a_user_comes_before_the_app_is_ready_where_the_platform_lets_requests_in(
    events: Recorder,
) -> None:
    events.emit("supervisor", "probe.passed", {"probe": "startup"}, life=Life(1, 1))
    app = chat_app().answers("/ready", status=503).answers("/ready", READY)
    user = visitor(app_entry(*STEPS, json=IS_READY), events, one_row)
    async with app.serve() as life:
        await until_finished(user, life)

    assert [event.data["ready"] for event in of(events, "ready.answered")] == [False, True]
    assert of(events, "journey.step")[-1].seq < of(events, "ready.answered")[-1].seq


@pytest.mark.parametrize(
    ("source", "probe", "passed_in"),
    [
        ("supervisor", "startup", Life(1, 2)),
        ("supervisor", "liveness", Life(1, 1)),
        ("app", "startup", Life(1, 1)),
    ],
)
async def test_a_user_waits_until_the_app_is_ready_where_its_start_up_probe_has_not_passed(
    events: Recorder, source: str, probe: str, passed_in: Life
) -> None:
    events.emit(source, "probe.passed", {"probe": probe}, life=passed_in)
    await comes_when_ready(events)


async def test_a_user_waits_until_the_app_is_ready_where_a_readiness_probe_asks_for_that(
    events: Recorder,
) -> None:
    events.emit("supervisor", "probe.planned", {"probe": "readiness"})
    events.emit("supervisor", "probe.passed", {"probe": "startup"}, life=Life(1, 1))
    await comes_when_ready(events)


async def comes_when_ready(events: Recorder) -> None:
    """Visit an app that answers 503 first, and expect no step before it is ready."""
    app = chat_app().answers("/ready", status=503).answers("/ready", READY)
    user = visitor(app_entry(*STEPS, json=IS_READY), events, one_row)
    async with app.serve() as life:
        await until_finished(user, life)
    assert of(events, "journey.step")[0].seq > of(events, "ready.answered")[-1].seq


async def test_a_step_that_fails_in_the_same_way_is_recorded_again_in_the_next_life(
    events: Recorder,
) -> None:
    user = visitor(app_entry(*STEPS, json=IS_READY), events)

    async def fail_in(life_of_app: Life) -> None:
        app = App().answers("/ready", DEGRADED).answers("/ws", status=500)
        async with app.serve(life_of_app) as life:
            events.subscribe(lambda e: life.ended.set() if e.kind == "journey.waiting" else None)
            await user.visit(life)

    await fail_in(Life(1, 1))
    await fail_in(Life(1, 2))
    assert {event.life for event in of(events, "journey.waiting")} == {Life(1, 1), Life(1, 2)}


async def test_why_a_step_does_not_pass_is_recorded_once_for_each_reason(events: Recorder) -> None:
    app = App().answers("/ready", DEGRADED)
    for status in (403, 403, 403, 500):
        app.answers("/ws", status=status)
    user = visitor(app_entry(*STEPS, json=IS_READY), events)
    async with app.serve() as life:
        events.subscribe(lambda e: life.ended.set() if "500" in e.data.get("why", "") else None)
        await user.visit(life)

    waiting = of(events, "journey.waiting")
    step = {"step": 1, "of": 3, "answered": True}
    assert [event.data for event in waiting] == [
        {**step, "why": "WebSocket /ws: answered 403"},
        {**step, "why": "WebSocket /ws: answered 500"},
    ]
    assert {event.life for event in waiting} == {Life(1, 1)}


async def test_a_step_that_gets_no_answer_is_told_apart_from_one_with_a_wrong_one(
    events: Recorder,
) -> None:
    too_long = json.dumps("x" * answers.MAX_ANSWER_BYTES).encode()
    app = App(chat=too_long).answers("/ready", DEGRADED)
    user = visitor(app_entry(*STEPS, json=IS_READY), events)
    async with app.serve() as life:
        events.subscribe(lambda e: life.ended.set() if e.kind == "journey.waiting" else None)
        await user.visit(life)

    (waiting,) = of(events, "journey.waiting")
    assert waiting.data["answered"] is False


async def test_the_reasons_of_a_journey_are_bounded(
    events: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient, "MAX_WAITINGS", 3)
    app = App()
    for status in (500, 501, 502, 503, 504):
        app.answers("/ready", DEGRADED).answers("/ws", status=status)
    app.answers("/ready", b'{"last": 1}')
    user = visitor(app_entry(*STEPS, json=IS_READY), events)
    async with app.serve() as life:
        events.subscribe(lambda e: life.ended.set() if "last" in e.data.get("answer", {}) else None)
        await user.visit(life)

    assert len(of(events, "journey.waiting")) == 3


async def test_a_journey_goes_on_in_the_next_life(events: Recorder) -> None:
    user = visitor(app_entry(*STEPS[:2]), events)
    first = App(chat=json.dumps({"key": KEY}).encode())
    first.answers("/ready", b"{}").answers("/messages", status=503)
    async with first.serve() as life:
        events.subscribe(lambda event: life.ended.set() if event.kind == "journey.step" else None)
        await user.visit(life)
    assert not user.finished.is_set()

    second = chat_app().answers("/ready", b"{}")
    async with second.serve(Life(1, 2)) as again:
        await until_finished(user, again)

    assert second.said == []
    assert [event.life for event in of(events, "journey.step")] == [Life(1, 1), Life(1, 2)]
    assert user.finished.is_set()


async def test_a_row_that_is_missing_fails_the_journey_and_the_step_is_named(
    events: Recorder,
) -> None:
    async def no_row(target: str, sql: str) -> Any:
        del target, sql
        return 0

    app = chat_app().answers("/ready", READY)
    user = visitor(app_entry(*STEPS, within_s=0.05), events, no_row)
    async with app.serve() as life:
        await until_finished(user, life)

    (failed,) = of(events, "journey.failed")
    assert failed.data["why"] == (
        "step 3, the query of postgres: gave 0, not 1, 0.05 s after it called itself ready"
    )
    assert user.finished.is_set()


async def test_an_app_that_is_used_up_to_the_last_step_and_never_ready_fails_its_journey(
    events: Recorder,
) -> None:
    app = chat_app().answers("/ready", DEGRADED)
    user = visitor(app_entry(*STEPS, within_s=0.02, json=IS_READY), events, one_row)
    async with app.serve() as life:
        await until_finished(user, life)

    (failed,) = of(events, "journey.failed")
    assert failed.data["why"] == "every step has passed, but it is not ready 0.02 s later"


@pytest.mark.parametrize("status", [200, 204, 299])
async def test_without_a_journey_being_ready_is_enough(events: Recorder, status: int) -> None:
    app = App().answers("/ready", status=503).answers("/ready", status=status)
    user = visitor(app_entry(), events)
    async with app.serve() as life:
        await until_finished(user, life)

    assert user.finished.is_set()
    ready = [(e.data["status_code"], e.data["ready"]) for e in of(events, "ready.answered")]
    assert ready == [(503, False), (status, True)]


async def test_an_app_is_asked_after_its_journey_until_the_run_is_over(events: Recorder) -> None:
    user, app = visitor(app_entry(), events), App()
    app.answers("/ready", b"{}").answers("/ready", b"{}", status=503)
    async with app.serve() as life:
        visiting = asyncio.create_task(user.visit(life))
        async with asyncio.timeout(BOUND_S):
            await user.finished.wait()
            changed = asyncio.Event()
            events.subscribe(lambda event: changed.set() if not event.data.get("ready") else None)
            await changed.wait()
            user.over.set()
            await visiting

    answers_ = [event.data["ready"] for event in of(events, "ready.answered")]
    assert answers_ == [True, False]


async def test_without_a_ready_path_an_open_port_is_enough(events: Recorder) -> None:
    app, user = App(), visitor(app_entry(path=""), events)
    async with app.serve() as life:
        await until_finished(user, life)

    assert user.finished.is_set()
    (answered,) = of(events, "ready.answered")
    assert answered.data == {"ready": True, "status_code": None, "answer": {}}
    assert app.asked == []


def test_a_key_is_of_the_seed_and_the_replica() -> None:
    keys = [journey_key(seed, replica) for seed in (1, 2) for replica in (1, 2, 3)]
    assert len(set(keys)) == 6
    assert journey_key(1, 2) == keys[1]


def test_the_sample_apps_journey_has_a_step_of_each_kind() -> None:
    kinds = [type(step) for step in sample_app().journey.steps]
    assert kinds == [WebSocketStep, RequestStep, SqlStep]


async def test_a_step_that_two_lives_take_at_once_has_passed_once(events: Recorder) -> None:
    asked, back = asyncio.Event(), asyncio.Event()

    async def slow_query(target: str, sql: str) -> Any:
        asked.set()
        await back.wait()  # as while a planned fault stops the database
        return await one_row(target, sql)

    user = visitor(app_entry(STEPS[2]), events, slow_query)
    app = App().answers("/ready", b"{}")
    async with app.serve() as first, app.serve(Life(1, 2)) as second:
        visits = [asyncio.create_task(user.visit(first))]
        await asked.wait()
        asked.clear()
        first.ended.set()
        visits.append(asyncio.create_task(user.visit(second)))
        await asked.wait()
        back.set()
        await user.finished.wait()
        user.over.set()
        await asyncio.gather(*visits)

    assert len(of(events, "journey.step")) == 1
    assert user.finished.is_set()


async def test_the_patient_journey_of_a_users_own_app_never_fails_and_waits_for_the_heal(
    events: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "SHARE", 1e6)  # never again, as long as nothing changes
    entry = app_entry(RequestStep(method="GET", path="/messages"), within_s=0.0)
    healing = Healing(FAULTS, events)
    walk = PatientJourney(app=entry, draw=Draw(KEY, 1), recorder=events, lasting=healing)
    user = Visitor(app=entry, replica=1, walk=walk, recorder=events, query=no_query)
    app = App().answers("/ready", b"{}").answers("/messages", status=500)
    fault = {"fault": FAULTS[0].name}
    events.emit("harness", "fault.injected", fault)
    async with app.serve() as life, asyncio.TaskGroup() as group:
        visit = group.create_task(user.visit(life))
        while app.asked.count("/ready") < 20:  # noqa: ASYNC110  the app announces no request
            await asyncio.sleep(0.001)
        assert app.asked.count("/messages") <= 2
        assert not user.finished.is_set()
        app.becomes("/messages", b"{}")
        events.emit("harness", "fault.healed", fault)
        await user.finished.wait()
        life.ended.set()
        await visit
    assert not of(events, "journey.failed")
    (waiting,) = of(events, "journey.waiting")
    assert waiting.data["why"] == "GET /messages: answered 500, not 200"
