"""The patient journey: each step is taken until it passes, across all lives of a replica."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from crashloop.apps.answers import SUCCESS
from crashloop.journey.pace import Pace
from crashloop.journey.step import MAX_WHY_CHARS, StepError, filled, named, take
from crashloop.model import SqlStep
from crashloop.platforms.probes import Purpose

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.engines.base import Attempt
    from crashloop.healing import Healing
    from crashloop.journey.draw import Draw
    from crashloop.journey.step import Answer, User
    from crashloop.journey.visitor import Answered
    from crashloop.model import AppUnderTest, Life, Step
    from crashloop.trace.recorder import Recorder

ASK_EVERY_S = 0.05
# An app that has started and answers 4xx does not know the path, and never will.
REFUSED = range(400, 500)
MAX_REFUSALS = 10
ASK_AGAIN_S = 0.25
MAX_WAITINGS = 50


class PatientJourney:
    """One journey for the whole run of a replica.

    Emits `journey.step` for each step that has passed, `journey.waiting` with the reason why one
    does not (at each change in a life, up to a bound), and `journey.failed`. It begins when the app
    answers with success, or before that where the platform lets requests in: its start-up probe has
    passed, and it has no readiness probe. With `healing`, it does not begin before the last heal.
    With `lasting`, it never fails, and a step that goes on failing is tried more and more rarely
    until these faults change. It has passed when its steps have and the app calls itself ready:
    then `finished` is set. After `over` it takes no step. All times are wall times, as this is real
    work and not the incident's.
    """

    def __init__(
        self,
        *,
        app: AppUnderTest,
        draw: Draw,
        recorder: Recorder,
        healing: Healing | None = None,
        lasting: Healing | None = None,
    ) -> None:
        self.finished = asyncio.Event()
        self.over = asyncio.Event()
        self._key = draw.key
        self._recorder = recorder
        self._healing = healing
        self._lasting = lasting
        self._pace = Pace()
        self._why = ""
        self._path = app.ready.path
        self._within_s = app.journey.within_s
        self._steps = [(step, filled(step, draw)) for step in app.journey.steps]
        self._passed = 0
        self._late_at_s = 0.0
        self._waits: dict[str, Any] = {}
        self._waitings = 0

    @contextlib.asynccontextmanager
    async def visit(self, attempt: Attempt, user: User) -> AsyncIterator[Answered]:
        """Go on in this life; gives what takes the steps that an answer allows."""
        life, refusals = attempt.life, 0
        self._late_at_s = 0.0
        self._waits = {}

        async def answered(answer: dict[str, Any]) -> float:
            nonlocal refusals
            status = answer["status_code"]
            is_refused = status in REFUSED
            refusals = refusals + 1 if is_refused and self._has_started(life) else 0
            if self.finished.is_set():
                return ASK_AGAIN_S
            if refusals == MAX_REFUSALS:
                asked = f"GET {self._path}"
                self._fail(f"{asked} answered {status}, {refusals} times after start-up", life)
            may_begin = self._healing is None or self._healing.is_healed
            is_served = answer["ready"] or status in SUCCESS
            if may_begin and (is_served or self._is_let_in(life)):
                await self._walk(life, user, is_ready=answer["ready"])
            return ASK_AGAIN_S if is_refused else ASK_EVERY_S

        yield answered

    def _has_started(self, life: Life) -> bool:
        return any(
            event.kind == "startup.completed" and event.life == life
            for event in self._recorder.events
        )

    def _is_let_in(self, life: Life) -> bool:
        """Whether the platform sends requests to a life, ready or not."""
        of_platform = [e for e in self._recorder.events if e.source == "supervisor"]
        planned = [e.data.get("probe") for e in of_platform if e.kind == "probe.planned"]
        return Purpose.READINESS not in planned and any(
            e.kind == "probe.passed" and e.life == life and e.data.get("probe") == Purpose.STARTUP
            for e in of_platform
        )

    async def _walk(self, life: Life, user: User, *, is_ready: bool) -> None:
        """Take the steps that are left, each once it passes, until one does not."""
        why = f"every step has passed, but it is not ready {self._within_s:g} s later"
        while self._passed < len(self._steps):
            if not self._is_due(is_ready=is_ready):
                why = self._why
                break
            number = self._passed
            template, step = self._steps[number]
            said, failed = None, None
            try:
                said = await take(step, user)
            except StepError as error:
                failed = error
            if self._passed != number or self.finished.is_set() or self.over.is_set():
                return  # taken in the visit of another life meanwhile, or being stopped
            if failed is not None:
                self._wait(f"{named(template)}: {failed.why}", life, answered=failed.answered)
                why = f"step {number + 1}, {named(template)}: {failed.why}"
                why += f", {self._within_s:g} s after it called itself ready"
                self._why = why
                self._pace.tried(self._state(is_ready=is_ready), passed=False)
                break
            assert said is not None
            self._pass(template, said, life)
        is_through = self._passed == len(self._steps)
        if is_through and is_ready:
            self.finished.set()
        elif (is_ready or (is_through and self._steps)) and self._is_late():
            self._fail(why, life)

    def _pass(self, template: Step, said: Answer, life: Life) -> None:
        self._passed += 1
        self._late_at_s = 0.0
        target = template.target if isinstance(template, SqlStep) else None
        data = {
            "step": self._passed,
            "of": len(self._steps),
            "says": f"{named(template)} answered",
            "key": self._key,
            "answered": said.short,
        }
        source = "database" if target else "harness"
        self._recorder.emit(source, "journey.step", data, life=life, target=target)

    def _wait(self, why: str, life: Life, *, answered: bool) -> None:
        """Say why the next step does not pass, and whether the app answered, if that is new."""
        step = {"step": self._passed + 1, "of": len(self._steps)}
        waits = {**step, "why": why[:MAX_WHY_CHARS], "answered": answered}
        if waits != self._waits and self._waitings < MAX_WAITINGS:
            self._waits = waits
            self._waitings += 1
            self._emit("journey.waiting", waits, life)

    def _state(self, *, is_ready: bool) -> object:
        """What may make a step pass that has failed."""
        healed_ns = self._lasting and self._lasting.healed_since_ns
        return self._passed, is_ready, healed_ns

    def _is_due(self, *, is_ready: bool) -> bool:
        """Whether the next step is to be tried now."""
        return self._lasting is None or self._pace.is_due(self._state(is_ready=is_ready))

    def _is_late(self) -> bool:
        """Whether the wait that began at the first call after the last step is over, if it ends."""
        if self._lasting is not None:
            return False
        now_s = time.monotonic()
        self._late_at_s = self._late_at_s or now_s + self._within_s
        return now_s > self._late_at_s

    def _fail(self, why: str, life: Life) -> None:
        self._emit("journey.failed", {"why": why[:MAX_WHY_CHARS]}, life)
        self.finished.set()

    def _emit(self, kind: str, data: dict[str, Any], life: Life) -> None:
        self._recorder.emit("harness", kind, data, life=life)
