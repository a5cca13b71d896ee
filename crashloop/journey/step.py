"""One step of a journey: with its placeholders filled in, in words, and taken."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
from websockets.exceptions import InvalidStatus, WebSocketException

from crashloop.apps.answers import MAX_ANSWER_BYTES, converse, has_all, leaves, request
from crashloop.apps.template import fill_all
from crashloop.errors import HarnessError
from crashloop.journey.pause import pause
from crashloop.model import RequestStep, SqlStep, WebSocketStep

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from crashloop.journey.draw import Draw
    from crashloop.model import Step

ASK_AGAIN_S = 0.1
MAX_WHY_CHARS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """How steps reach the app at its address, and `query` a database directly."""

    client: httpx.AsyncClient
    address: tuple[str, int]
    query: Callable[[str, str], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a passed step was answered: `short` enough for an event; `body` of a request.

    The body is None if it was too long to be read.
    """

    short: Any
    body: bytes | None = b""


class StepError(Exception):
    """A step that did not pass, and why; `answered` tells whether the app answered at all.

    `found` is what a query gave, or the status of an answer.
    """

    def __init__(self, why: str, *, answered: bool, found: Any = None) -> None:
        super().__init__(why)
        self.why = why[:MAX_WHY_CHARS]
        self.answered = answered
        self.found = found


def filled(step: Step, draw: Draw) -> Step:
    """The step with its placeholders filled in.

    A JSON value, or an expected one, that is the text "{number}" becomes a number.
    """
    values = {"key": draw.key, "number": str(draw.number)}
    texts = asdict(step)
    for field in ("json", "send", "expect", "equals"):
        if field in texts:
            texts[field] = _with_number(texts[field], draw.number)
    return type(step)(**fill_all(texts, values, where="a step of the journey"))


def named(step: Step) -> str:
    """A step in words, without the query of its path, which may be long."""
    match step:
        case RequestStep():
            return f"{step.method} {step.path.partition('?')[0]}"
        case WebSocketStep():
            return f"WebSocket {step.path.partition('?')[0]}"
        case SqlStep():
            return f"the query of {step.target}"


async def take(step: Step, user: User, *, left_s: float | None = None) -> Answer:
    """Take a step once, within what is left of its time; StepError if it does not pass."""
    try:
        return await _take(step if left_s is None else replace(step, within_s=left_s), user)
    except InvalidStatus as error:
        why = f"answered {error.response.status_code}"
        raise StepError(why, answered=True, found=error.response.status_code) from None
    except TimeoutError:
        raise StepError(
            f"TimeoutError: no answer within {step.within_s:g} s", answered=False
        ) from None
    except (OSError, WebSocketException, httpx.HTTPError) as error:
        # A reset has no words of its own.
        why = str(error) or "the connection ended before an answer"
        raise StepError(f"{type(error).__name__}: {why}", answered=False) from None
    except ValueError as error:
        raise StepError(str(error), answered=True) from None


async def take_within(step: Step, user: User, *, ended: asyncio.Event) -> Answer:
    """Take a step within its own time; StepError if it has not passed by then.

    A step that only reads (a query, or a GET with `contains`) is taken again until then, each time
    after twice as long, as what it asks for may come a moment later; the error says what was
    answered last. Any other is taken once. `ended` ends the wait.
    """
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    until_s = begun_s + step.within_s
    last: StepError | None = None
    while True:
        left_s = max(until_s - loop.time(), 0.001)
        try:
            return await _asked(step, user, left_s=left_s)
        except StepError as error:
            last = error if error.answered or last is None else last
        now_s = loop.time()
        if not _may_repeat(step) or now_s + ASK_AGAIN_S > until_s:
            raise last
        # The last time comes just before the end, however long the pause would be.
        pause_s = min(now_s - begun_s, until_s - ASK_AGAIN_S - now_s)
        await pause(ended, max(pause_s, ASK_AGAIN_S))
        if ended.is_set():
            raise last


def is_reading(step: Step) -> bool:
    """Whether a step changes nothing."""
    return isinstance(step, SqlStep) or (isinstance(step, RequestStep) and step.method == "GET")


def _may_repeat(step: Step) -> bool:
    if isinstance(step, RequestStep):
        return step.method == "GET" and bool(step.contains)
    return isinstance(step, SqlStep)


async def _asked(step: Step, user: User, *, left_s: float) -> Answer:
    """Take a step once; a query that Postgres rejects has not passed."""
    try:
        return await take(step, user, left_s=left_s)
    except HarnessError as error:
        cause = error.__cause__
        if not isinstance(cause, asyncpg.PostgresError):
            raise
        raise StepError(f"{type(cause).__name__}: {cause}", answered=False) from None


async def _take(step: Step, user: User) -> Answer:
    match step:
        case RequestStep():
            status, body = await request(
                user.client, step.method, step.path, body=step.json, within_s=step.within_s
            )
            if status != step.status:
                why = f"answered {status}, not {step.status}"
                raise StepError(why, answered=True, found=status)
            if step.contains and body is None:
                raise ValueError(
                    f"answered {status} with more than {MAX_ANSWER_BYTES} bytes, which are not read"
                )
            if step.contains and step.contains.encode() not in (body or b""):
                why = f"answered {status} without {step.contains}"
                raise StepError(why, answered=True, found=status)
            return Answer(short=status, body=body)
        case WebSocketStep():
            answer = await converse(user.address, step.path, step.send, within_s=step.within_s)
            if not has_all(answer, step.expect):
                raise ValueError(f"answered {leaves(answer) or type(answer).__name__}")
            return Answer(short=leaves(answer))
        case SqlStep():
            async with asyncio.timeout(step.within_s):
                value = await user.query(step.target, step.sql)
            if value != step.equals:
                why = f"gave {value!r}, not {step.equals!r}"
                raise StepError(why, answered=True, found=value)
            return Answer(short=step.equals)


def _with_number(value: Any, number: int) -> Any:
    if value == "{number}":
        return number
    if isinstance(value, dict):
        return {name: _with_number(each, number) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_number(each, number) for each in value]
    return value
