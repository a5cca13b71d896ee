"""Tries of a journey: one after the other while a life answers, each from the first step on."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from typing import TYPE_CHECKING, Any

from crashloop.clock import NS_PER_S
from crashloop.journey.pace import Pace, scaled
from crashloop.journey.pause import pause
from crashloop.journey.step import StepError, filled, named, take_within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.clock import TimeScale
    from crashloop.engines.base import Attempt
    from crashloop.healing import Healing
    from crashloop.journey.draw import Draws
    from crashloop.journey.step import User
    from crashloop.journey.visitor import Answered
    from crashloop.model import Journey, Life
    from crashloop.trace.event import Event
    from crashloop.trace.recorder import Recorder

MAX_EQUAL = 10


class TryCount:
    """Takes a journey once when asked, counts the tries of a run, and records them.

    Emits `journey.tried` for each, but no more than 10 in a row that ended equally in the same
    life while the same faults were on; the numbers show how many were left out. `changes` is how
    often a fault has been injected or healed.
    """

    def __init__(self, journey: Journey, *, draws: Draws, recorder: Recorder) -> None:
        self.journey = journey
        self.changes = 0
        self._draws = draws
        self._recorder = recorder
        self._numbers = itertools.count(1)
        self._longest_s = 0.0
        self._ends: dict[Life, tuple[tuple[Any, ...], int]] = {}
        recorder.subscribe(self._count_changes)

    def scale(self, scale: TimeScale) -> None:
        """From now on, give each step the time that it has in a run at this scale.

        The tries before were without a fault, and show how long a step takes.
        """
        self.journey = scaled(self.journey, scale, longest_s=self._longest_s)

    async def take(
        self, life: Life, user: User, *, ended: asyncio.Event, over: asyncio.Event | None = None
    ) -> StepError | None:
        """Take the journey once in a life; None if it has passed, else why it has not.

        Once `over` is set, its end says nothing and is not recorded.
        """
        draw, number = self._draws.next(), next(self._numbers)
        begun_ns = time.monotonic_ns()
        failed, failed_step = None, None
        for which, step in enumerate(self.journey.steps, start=1):
            step_begun_s = time.monotonic()
            try:
                await take_within(filled(step, draw), user, ended=ended)
            except StepError as error:
                failed_step = which
                failed = StepError(
                    f"{named(step)}: {error.why}", answered=error.answered, found=error.found
                )
                break
            self._longest_s = max(self._longest_s, time.monotonic() - step_begun_s)
        why = failed.why if failed else ""
        data = {
            "number": number,
            "passed": failed is None,
            "step": failed_step,
            "why": why,
            "took_s": round((time.monotonic_ns() - begun_ns) / NS_PER_S, 4),
            "key": draw.key,
        }
        end = (self.changes, data["step"], why.replace(draw.key, ""))
        last, equal = self._ends.get(life, ((), 0))
        equal = equal + 1 if end == last else 1
        self._ends[life] = end, equal
        if equal <= MAX_EQUAL and not (over and over.is_set()):
            self._recorder.emit("harness", "journey.tried", data, life=life)
        return failed

    def _count_changes(self, event: Event) -> None:
        self.changes += event.kind in {"fault.injected", "fault.healed"}


class Tries:
    """The tries of one replica, through all its lives: `finished` when it serves its users again.

    One try at a time, while a life answers at all. It is finished when all faults are healed, a
    life is ready, and then a try has passed in it, if there is a journey. All times are wall times,
    as this is real work: the app is asked every `ask_every_s` whether it is ready, and the next try
    begins `pause_s` after one. A journey that goes on failing is tried more and more rarely, until
    a fault is injected or healed, or the life is ready or no longer so.
    """

    def __init__(
        self,
        count: TryCount,
        *,
        has_journey: bool,
        healing: Healing,
        ask_every_s: float,
        pause_s: float,
    ) -> None:
        self.finished = asyncio.Event()
        self.over = asyncio.Event()
        self._count = count
        self._has_journey = has_journey
        self._healing = healing
        self._ask_every_s = ask_every_s
        self._pause_s = pause_s
        self._trying = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def visit(self, attempt: Attempt, user: User) -> AsyncIterator[Answered]:
        """Try the journey in this life for as long as its answers say that it answers."""
        answers, is_ready = asyncio.Event(), asyncio.Event()

        async def answered(answer: dict[str, Any]) -> float:
            if trying is not None and trying.done():
                trying.result()  # it has failed, as it ends with the life only
            _set(is_ready, answer["ready"])
            _set(answers, answer["ready"] or answer["status_code"] is not None)
            if answer["ready"] and not self._has_journey and self._healing.is_healed:
                self.finished.set()
            return self._ask_every_s

        async def tries() -> None:
            pace = Pace(pause_s=self._pause_s)
            while not attempt.ended.is_set():
                await answers.wait()
                async with self._trying:
                    passed = await self._try(attempt, user, is_ready)
                pace.tried((self._count.changes, is_ready.is_set()), passed=passed)
                await pause(attempt.ended, self._pause_s)
                while not pace.is_due((self._count.changes, is_ready.is_set())):
                    await pause(attempt.ended, self._pause_s)
                    if attempt.ended.is_set():
                        return

        trying = asyncio.create_task(tries()) if self._has_journey else None
        try:
            yield answered
        finally:
            if trying is not None:
                trying.cancel()
                await asyncio.wait({trying})
        if trying is not None and not trying.cancelled():
            trying.result()

    async def _try(self, attempt: Attempt, user: User, is_ready: asyncio.Event) -> bool:
        """Try it once; whether it has passed."""
        begun_healed = self._healing.healed_since_ns
        failed = await self._count.take(attempt.life, user, ended=attempt.ended, over=self.over)
        stayed_healed = begun_healed is not None and begun_healed == self._healing.healed_since_ns
        if failed is None and stayed_healed and is_ready.is_set():
            self.finished.set()
        return failed is None


def _set(event: asyncio.Event, value: bool) -> None:
    if value:
        event.set()
    else:
        event.clear()
