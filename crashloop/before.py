"""An app's data from before the fault: given by its `before` steps, looked for at the end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crashloop.apps.answers import NOT_YET, client_of
from crashloop.journey.step import StepError, User, filled, is_reading, named, take_within
from crashloop.model import CONTROL, SqlStep

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from crashloop.journey.draw import Draw
    from crashloop.journey.step import Answer
    from crashloop.model import Life, Step
    from crashloop.trace.recorder import Recorder

NOWHERE = ("127.0.0.1", 0)
NO_WORD = NOT_YET | frozenset(range(500, 600))
"""Statuses of answers that say nothing about the data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The steps as they were taken, and how often the key was in each answer, if it was read."""

    steps: tuple[tuple[Step, int | None], ...]
    key: str


async def take_before(
    steps: Sequence[Step],
    draw: Draw,
    user: User,
    *,
    ended: asyncio.Event,
    recorder: Recorder,
) -> Before:
    """Take the steps in the control life; StepError for the first that does not pass.

    Emits `before.passed` for each.
    """
    taken: list[tuple[Step, int | None]] = []
    for number, template in enumerate(steps, start=1):
        step = filled(template, draw)
        try:
            answer = await take_within(step, user, ended=ended)
        except StepError as error:
            why = f"step {number} of `before`, {named(template)}: {error.why}"
            raise StepError(why, answered=error.answered, found=error.found) from None
        taken.append((step, _times(answer, draw.key)))
        data = {"step": number, "of": len(steps), "says": f"{named(template)} answered"}
        data |= {"key": draw.key, "number": draw.number}
        target = template.target if isinstance(template, SqlStep) else None
        recorder.emit("harness", "before.passed", data, life=CONTROL, target=target)
    return Before(steps=tuple(taken), key=draw.key)


async def check_before(
    before: Before,
    address: tuple[str, int] | None,
    life: Life | None,
    *,
    recorder: Recorder,
    query: Callable[[str, str], Awaitable[Any]],
) -> None:
    """Take the steps that only read again; emits `before.checked` with what was lost or doubled.

    `address` is that of the life that runs now; without it, only the database is asked. A step that
    gets no answer, one that is too long to be read, or one such as 429 or 500, is not checked: it
    says nothing about the data.
    """
    lost: list[str] = []
    doubled: list[str] = []
    checked = 0
    never_ended = asyncio.Event()
    async with client_of(address or NOWHERE) as client:
        user = User(client=client, address=address or NOWHERE, query=query)
        for step, times in before.steps:
            if not is_reading(step) or not (address or isinstance(step, SqlStep)):
                continue
            try:
                answer = await take_within(step, user, ended=never_ended)
            except StepError as error:
                is_read = error.answered and (error.found is not None or isinstance(step, SqlStep))
                if not is_read or error.found in NO_WORD:
                    continue
                is_more = isinstance(step, SqlStep) and _is_more(error.found, step.equals)
                (doubled if is_more else lost).append(f"{named(step)} {error.why}")
            else:
                now = _times(answer, before.key)
                if now is None or times is None:
                    continue
                if now != times:
                    says = f"{named(step)} has the key {now} times, not {times}"
                    (doubled if now > times else lost).append(says)
            checked += 1
    data = {"lost": lost, "doubled": doubled, "checked": checked}
    recorder.emit("harness", "before.checked", data, life=life)


def _times(answer: Answer, key: str) -> int | None:
    """How often the key is in the answer; None if it was not read."""
    return None if answer.body is None else answer.body.count(key.encode())


def _is_more(found: object, equals: object) -> bool:
    numbers = (int, float)
    return isinstance(found, numbers) and isinstance(equals, numbers) and found > equals
