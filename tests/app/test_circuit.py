"""The circuit breaker's states, on a clock that the test turns."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import purgatory.domain.model
import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app_under_test.circuit import Circuit, CircuitOpenError
from app_under_test.failure import DatabaseAwayError, is_transient
from app_under_test.log import Log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

OPEN_S = 30.0


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def time(self) -> float:
        return self.now_s


class Lines(Log):
    """Keeps the fields of each event instead of writing lines."""

    def __init__(self) -> None:
        self.events: dict[str, dict[str, Any]] = {}

    def emit(self, event: str, message: str, **fields: Any) -> None:
        assert message
        self.events[event] = fields


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    turned = Clock()
    monkeypatch.setattr(purgatory.domain.model, "time", turned)
    return turned


@pytest.fixture
def log() -> Lines:
    return Lines()


@pytest.fixture
def circuit(clock: Clock, log: Lines) -> Circuit:  # noqa: ARG001  its time passes only when a test says so
    return Circuit(threshold=3, open_s=OPEN_S, log=log)


async def call(circuit: Circuit, error: BaseException | None = None) -> None:
    async with circuit.passing():
        if error is not None:
            raise error


async def fail(circuit: Circuit, times: int, error: Exception | None = None) -> None:
    for _ in range(times):
        with pytest.raises(Exception, match="away") as caught:
            await call(circuit, error or TimeoutError("away"))
        assert not isinstance(caught.value, CircuitOpenError)


async def is_refused(circuit: Circuit) -> bool:
    try:
        await call(circuit)
    except CircuitOpenError:
        return True
    return False


async def test_failures_in_a_row_open_it_and_it_then_refuses_every_call(circuit: Circuit) -> None:
    await fail(circuit, 2)
    await call(circuit)
    await fail(circuit, 2)
    assert not await is_refused(circuit)
    await fail(circuit, 3)
    assert await is_refused(circuit)
    assert await is_refused(circuit)


async def test_a_trial_that_passes_closes_it(circuit: Circuit, clock: Clock, log: Lines) -> None:
    await fail(circuit, 3)
    clock.now_s += OPEN_S
    assert await is_refused(circuit)
    clock.now_s += 0.001
    assert not await is_refused(circuit)
    await fail(circuit, 2)
    assert not await is_refused(circuit)
    assert list(log.events) == [
        "remedy.circuit_opened",
        "remedy.circuit_half_opened",
        "remedy.circuit_closed",
    ]
    assert log.events["remedy.circuit_closed"]["refused"] == 1


async def test_a_trial_that_fails_opens_it_again_for_the_whole_time(
    circuit: Circuit, clock: Clock
) -> None:
    await fail(circuit, 3)
    clock.now_s += OPEN_S + 1
    await fail(circuit, 1)
    assert await is_refused(circuit)
    clock.now_s += OPEN_S
    assert await is_refused(circuit)
    clock.now_s += 1
    assert not await is_refused(circuit)


def never(answered: asyncio.Future[None]) -> None:
    answered.cancel()


def at_last(answered: asyncio.Future[None]) -> None:
    answered.set_result(None)


@pytest.mark.parametrize(("end", "refused_after"), [(at_last, False), (never, True)])
async def test_only_one_call_is_the_trial_and_the_others_do_not_wait_for_it(
    circuit: Circuit,
    clock: Clock,
    end: Callable[[asyncio.Future[None]], None],
    refused_after: bool,
) -> None:
    await fail(circuit, 3)
    clock.now_s += OPEN_S + 1
    answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asked = asyncio.Event()

    async def slow(answer: Awaitable[None]) -> None:
        async with circuit.passing():
            asked.set()
            await answer

    trial = asyncio.create_task(slow(answered))
    await asked.wait()
    assert [await is_refused(circuit) for _ in range(10)] == [True] * 10
    end(answered)
    await asyncio.wait([trial])
    assert await is_refused(circuit) is refused_after


async def test_what_the_database_answers_is_no_failure(circuit: Circuit) -> None:
    await fail(circuit, 10, ValueError("away, but it is no error of the database"))
    assert not await is_refused(circuit)


async def test_a_pool_whose_connections_all_wait_is_a_failure(circuit: Circuit) -> None:
    error = DatabaseAwayError("away")
    error.__cause__ = PoolTimeoutError("QueuePool limit reached")
    await fail(circuit, 3, error)
    assert await is_refused(circuit)


async def test_a_refusal_is_transient_for_whoever_retries_and_keeps_no_trace_of_earlier_ones(
    circuit: Circuit,
) -> None:
    await fail(circuit, 3)
    for _ in range(3):
        with pytest.raises(CircuitOpenError) as caught:
            await call(circuit)
        assert isinstance(caught.value, DatabaseAwayError)
        assert is_transient(caught.value)
        assert caught.value.__context__ is not None
        assert caught.value.__context__.__traceback__ is None
