"""The user of one replica: watches its port, asks whether it is ready, and walks its journey."""

from __future__ import annotations

import asyncio
import errno
import random
import time
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import httpx
from websockets.exceptions import InvalidStatus, WebSocketException

from crashloop.apps.answers import (
    SUCCESS,
    client_of,
    connect,
    converse,
    has_all,
    leaves,
    readiness,
    request,
)
from crashloop.apps.template import fill_all
from crashloop.model import RequestStep, SqlStep, WebSocketStep

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from crashloop.engines.base import Attempt
    from crashloop.model import AppUnderTest, Life, Step
    from crashloop.trace.recorder import Recorder

LOOK_EVERY_S = 0.02
ASK_EVERY_S = 0.05

# An app that has started and answers 4xx does not know the path, and never will.
REFUSED = range(400, 500)
MAX_REFUSALS = 10
ASK_AGAIN_S = 0.25

MAX_WHY_CHARS = 400
MAX_SAME_KIND = 50  # an answer may hold a time, and differ each time
MAX_WAITINGS = 50


class Visitor:
    """Visits every life of a replica at its address; one journey for the whole run.

    Emits `port.opened`, `port.watched`, `ready.answered` (at each change), `journey.step` for each
    step that has passed, `journey.waiting` with the reason why one does not (at each change, up to
    a bound), and `journey.failed`. The journey begins when the app answers at all,
    and has passed when its steps have and the app calls itself ready: then `finished` is set, and
    the visitor goes on asking whether the app is ready until `over` is set. `query` asks a database
    directly. All times are wall times, as this is real work and not the incident's.
    """

    def __init__(
        self,
        *,
        app: AppUnderTest,
        replica: int,
        key: str,
        recorder: Recorder,
        query: Callable[[str, str], Awaitable[Any]],
    ) -> None:
        self.finished = asyncio.Event()
        self.over = asyncio.Event()
        self._replica = replica
        self._key = key
        self._recorder = recorder
        self._query = query
        self._ready = app.ready
        self._within_s = app.journey.within_s
        self._steps = [(step, _filled(step, key)) for step in app.journey.steps]
        self._passed = 0
        self._late_at_s = 0.0
        self._same_kind = 0
        self._waits: dict[str, Any] = {}
        self._waitings = 0

    async def visit(self, attempt: Attempt) -> None:
        """Accompany one life until it has ended."""
        assert attempt.life.replica == self._replica
        probes, opened, self._late_at_s = 0, False, 0.0
        try:
            if attempt.address is None:  # it ended before anybody knew its address
                await attempt.ended.wait()
                return
            while not opened and not attempt.ended.is_set():
                answer = await connect(attempt.address)
                opened = answer == 0
                probes += answer in {0, errno.ECONNREFUSED}
                if not opened:
                    await _pause(attempt.ended, LOOK_EVERY_S)
            if opened:
                self._emit("port.opened", {"port": attempt.address[1]}, attempt.life)
                await self._use(attempt, attempt.address)
        finally:
            self._emit("port.watched", {"probes": probes, "opened": opened}, attempt.life)

    async def _use(self, attempt: Attempt, address: tuple[str, int]) -> None:
        life, last, refusals = attempt.life, None, 0
        async with client_of(address) as client:
            while not attempt.ended.is_set() and not self.over.is_set():
                answer = await readiness(client, address, self._ready)
                if self.over.is_set():  # what an app answers while it is being stopped says nothing
                    return
                status = answer["status_code"]
                is_refused = status in REFUSED
                if answer != last:
                    self._answered(answer, last, life)
                    last = answer
                refusals = refusals + 1 if is_refused and self._has_started(life) else 0
                if self.finished.is_set():
                    await _pause(attempt.ended, ASK_AGAIN_S)
                    continue
                if refusals == MAX_REFUSALS:
                    asked = f"GET {self._ready.path}"
                    self._fail(f"{asked} answered {status}, {refusals} times after start-up", life)
                if answer["ready"] or status in SUCCESS:
                    await self._walk(client, address, life, is_ready=answer["ready"])
                await _pause(attempt.ended, ASK_AGAIN_S if is_refused else ASK_EVERY_S)

    def _answered(self, answer: dict[str, Any], before: dict[str, Any] | None, life: Life) -> None:
        """Record a new answer; one that differs in its words alone only so many times."""
        kinds = ("ready", "status_code")
        if before is not None and all(answer[kind] == before[kind] for kind in kinds):
            self._same_kind += 1
            if self._same_kind > MAX_SAME_KIND:
                return
        self._emit("ready.answered", answer, life)

    def _has_started(self, life: Life) -> bool:
        return any(
            event.kind == "startup.completed" and event.life == life
            for event in self._recorder.events
        )

    async def _walk(
        self,
        client: httpx.AsyncClient,
        address: tuple[str, int],
        life: Life,
        *,
        is_ready: bool,
    ) -> None:
        """Take the steps that are left, each once it passes, until one does not."""
        why = f"every step has passed, but it is not ready {self._within_s:g} s later"
        while self._passed < len(self._steps):
            number = self._passed
            template, step = self._steps[number]
            try:
                said = await self._take(step, client, address)
            except InvalidStatus as error:
                said, answered, problem = None, True, f"answered {error.response.status_code}"
            except (OSError, TimeoutError, WebSocketException, httpx.HTTPError) as error:
                said, answered, problem = None, False, f"{type(error).__name__}: {error}"
            except ValueError as error:
                said, answered, problem = None, True, str(error)
            if self._passed != number or self.finished.is_set() or self.over.is_set():
                return  # taken in the visit of another life meanwhile, or being stopped
            if said is None:
                self._wait(f"{_name(template)}: {problem}", life, answered=answered)
                why = f"step {number + 1}, {_name(template)}: {problem}"
                why += f", {self._within_s:g} s after it called itself ready"
                break
            self._pass(template, said, life)
        is_through = self._passed == len(self._steps)
        if is_through and is_ready:
            self.finished.set()
        elif (is_ready or (is_through and self._steps)) and self._is_late():
            self._fail(why, life)

    async def _take(
        self, step: Step, client: httpx.AsyncClient, address: tuple[str, int]
    ) -> dict[str, Any]:
        """What the event says besides; ValueError if the step has not passed."""
        match step:
            case RequestStep():
                status, body = await request(client, step.method, step.path, body=step.json)
                if status != step.status:
                    raise ValueError(f"answered {status}, not {step.status}")
                if step.contains and step.contains.encode() not in (body or b""):
                    raise ValueError(f"answered {status} without {step.contains}")
                return {"answered": status}
            case WebSocketStep():
                answer = await converse(address, step.path, step.send)
                if not has_all(answer, step.expect):
                    raise ValueError(f"answered {leaves(answer) or type(answer).__name__}")
                return {"answered": leaves(answer)}
            case SqlStep():
                value = await self._query(step.target, step.sql)
                if value != step.equals:
                    raise ValueError(f"gave {value!r}, not {step.equals!r}")
                return {"answered": step.equals}

    def _pass(self, template: Step, said: dict[str, Any], life: Life) -> None:
        self._passed += 1
        self._late_at_s = 0.0
        target = template.target if isinstance(template, SqlStep) else None
        data = {
            "step": self._passed,
            "of": len(self._steps),
            "says": f"{_name(template)} answered",
            "key": self._key,
            **said,
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

    def _is_late(self) -> bool:
        """Whether the wait that began at the first call, after the last step, is over."""
        now_s = time.monotonic()
        self._late_at_s = self._late_at_s or now_s + self._within_s
        return now_s > self._late_at_s

    def _fail(self, why: str, life: Life) -> None:
        self._emit("journey.failed", {"why": why[:MAX_WHY_CHARS]}, life)
        self.finished.set()

    def _emit(self, kind: str, data: dict[str, Any], life: Life) -> None:
        self._recorder.emit("harness", kind, data, life=life)


def journey_key(seed: int, replica: int) -> str:
    """The `{key}` of a replica's journey: a UUID drawn from the run's seed."""
    draw = random.Random(seed)  # noqa: S311  repeatable, and not a secret
    bits = [draw.getrandbits(128) for _ in range(replica)]
    return str(uuid.UUID(int=bits[-1], version=4))


def _filled(step: Step, key: str) -> Step:
    fields = fill_all(asdict(step), {"key": key}, where="a step of the journey")
    return type(step)(**fields)


def _name(step: Step) -> str:
    """A step in words, without the query of its path, which may be long."""
    match step:
        case RequestStep():
            return f"{step.method} {step.path.partition('?')[0]}"
        case WebSocketStep():
            return f"WebSocket {step.path.partition('?')[0]}"
        case SqlStep():
            return f"the query of {step.target}"


async def _pause(ended: asyncio.Event, seconds: float) -> None:
    """Wait until the time has passed or the life has ended."""
    try:
        async with asyncio.timeout(seconds):
            await ended.wait()
    except TimeoutError:
        return
