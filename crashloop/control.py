"""The control life of a user's own app: without any fault, it must start, serve and stop."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crashloop.apps.answers import NOT_YET, SUCCESS, client_of, readiness
from crashloop.before import take_before
from crashloop.clock import NS_PER_S
from crashloop.engines.listening import listens_on
from crashloop.journey import StepError, User, pause
from crashloop.model import CONTROL, SETUP_LOG
from crashloop.supervisor.loop import status_fields

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from crashloop.before import Before
    from crashloop.engines.base import Engine, Setup, StartedLife
    from crashloop.journey import Draws, TryCount

SETUP_BOUND_S = 300.0
TERM_BOUND_S = 10.0  # as `docker stop` and Cloud Run: SIGTERM, and SIGKILL after 10 s
ASK_EVERY_S = 0.1
DYING_BOUND_S = 2.0  # chosen: gunicorn ends within a second of its worker
MAX_LINES = 20
MAX_LINE_CHARS = 500
TAIL_BYTES = 256 * 1024  # chosen: the longest line that a log keeps fits in

JOURNEYS = 20  # chosen: SQLAlchemy's pool gives out 15 connections, asyncpg's 10
JOURNEYS_BOUND_S = 2.0

REFUSED_BOUND_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthy:
    """What a control life has shown: how long it took to be ready, and the data it was given."""

    start_s: float
    before: Before


class _FailedError(Exception):
    """The control life is not healthy: `what` it failed at, and why, in a sentence."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(why)
        self.what = what
        self.why = why


async def control_life(
    setup: Setup, engine: Engine, *, draws: Draws, tries: TryCount
) -> Healthy | None:
    """Run the app's setup, then one life of it without a fault: ready, `before`, journey, SIGTERM.

    Emits `setup.finished`, `control.started`, `control.ready`, `before.passed`, `journey.tried`,
    `control.ended`, and `control.failed` if something went wrong: then it returns None.
    """
    return await _Control(setup, engine, draws, tries).run()


class _Control:
    def __init__(self, setup: Setup, engine: Engine, draws: Draws, tries: TryCount) -> None:
        self._app = setup.scenario.app
        self._artifacts = setup.artifacts
        self._recorder = setup.recorder
        self._engine = engine
        self._draws = draws
        self._tries = tries
        self._started_ns = 0

    async def run(self) -> Healthy | None:
        try:
            await self._set_up()
        except _FailedError as error:
            self._failed(error, SETUP_LOG)
            return None
        self._started_ns = time.monotonic_ns()
        process = await self._engine.start_life(CONTROL)
        self._emit("control.started", {"pid": process.pid}, self._started_ns)
        healthy, failed = None, None
        seen: dict[str, Any] = {}
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(process.wait())  # nobody else waits for it
            try:
                healthy = await self._use(process, seen)
            except _FailedError as error:
                failed = error
                if "start_s" in seen:  # what it did not answer, it may be dying of
                    await pause(process.ended, DYING_BOUND_S)
            status, died = await self._stop(process, waiting, seen)
        await self._engine.count_sessions(CONTROL)
        if died:
            when = "while it was used" if "start_s" in seen else "before it was ready"
            failed = _FailedError("died", f"it {_ended(status)} {when}")
        if failed is not None:
            self._failed(failed, CONTROL.log_name(several=False), status if died else {})
            return None
        return healthy

    def _failed(self, error: _FailedError, log: str, status: dict[str, Any] | None = None) -> None:
        data = {"what": error.what, "why": error.why, "lines": self._last_lines(log)}
        self._recorder.emit("harness", "control.failed", data | (status or {}), life=CONTROL)

    async def _set_up(self) -> None:
        """Run the setup command, if there is one."""
        if not self._app.setup:
            return
        begun_s = time.monotonic()
        status = await self._engine.set_up(within_s=SETUP_BOUND_S)
        fields = {"exit_code": None} if status is None else status_fields(status)
        took_s = round(time.monotonic() - begun_s, 3)
        data = {**fields, "took_s": took_s, "lines": self._last_lines(SETUP_LOG)}
        self._recorder.emit("harness", "setup.finished", data)
        if status is None:
            raise _FailedError("setup", f"the setup command took longer than {SETUP_BOUND_S:g} s")
        if status:
            raise _FailedError("setup", f"the setup command {_ended(fields)}")

    async def _use(self, process: StartedLife, seen: dict[str, Any]) -> Healthy:
        """Wait until the life is ready, then use it; `seen` gets what is seen meanwhile."""
        if process.address is None:
            raise _FailedError("not_ready", "its address is not known")
        async with client_of(process.address) as client:
            user = User(client=client, address=process.address, query=self._engine.query)
            await self._until_ready(process, user)
            start_s = seen["start_s"] = self._age_s()
            self._recorder.emit("harness", "control.ready", {"after_s": start_s}, life=CONTROL)
            seen["listens_on"] = listens_on(process.address)
            before = await _step(
                "before",
                take_before(
                    self._app.before,
                    self._draws.next(),
                    user,
                    ended=process.ended,
                    recorder=self._recorder,
                ),
            )
            if self._app.journey.steps:
                await self._travel(user, process)
        return Healthy(start_s=start_s, before=before)

    async def _travel(self, user: User, process: StartedLife) -> None:
        """Try the journey until it has passed often enough to show a connection that leaks."""
        until_s = time.monotonic() + JOURNEYS_BOUND_S
        for number in range(1, JOURNEYS + 1):
            failed = await self._tries.take(CONTROL, user, ended=process.ended)
            if failed is not None:
                often = f", at try {number}" if number > 1 else ""
                raise _FailedError("journey", f"{failed.why}{often}")
            if time.monotonic() > until_s:
                return

    async def _until_ready(self, process: StartedLife, user: User) -> None:
        ready, refused_by, refused_s = self._app.ready, None, 0.0
        until_s = time.monotonic() + ready.within_s
        asked = f"GET {ready.path}" if ready.path else "its port"
        while True:
            answer = await readiness(user.client, user.address, ready, said_so=process.said_ready)
            if answer["ready"]:
                return
            status, now_s = answer["status_code"], time.monotonic()
            is_refused = status is not None and status not in SUCCESS and status not in NOT_YET
            if not is_refused or status != refused_by:
                refused_by, refused_s = status if is_refused else None, now_s
            elif now_s - refused_s >= REFUSED_BOUND_S:
                why = f"{asked} has answered {status} for {REFUSED_BOUND_S:g} s"
                raise _FailedError("ready_path", why)
            if now_s > until_s:
                why = _not_ready(asked, answer, ready.log, ready.within_s)
                raise _FailedError("not_ready", why)
            await pause(process.ended, ASK_EVERY_S)
            if process.ended.is_set():
                raise _FailedError("died", "it ended before it was ready")

    async def _stop(
        self, process: StartedLife, waiting: asyncio.Task[int], seen: dict[str, Any]
    ) -> tuple[dict[str, Any], bool]:
        """SIGTERM, and SIGKILL after 10 s; emits how it ended.

        Returns its status, and whether it had ended before.
        """
        died, ignored = True, False
        if not process.ended.is_set() and await process.signal(signal.SIGTERM):
            died = False
            await asyncio.wait({waiting}, timeout=TERM_BOUND_S)
            ignored = not waiting.done()
            if ignored:
                await process.signal(signal.SIGKILL)
        status = status_fields(await waiting)
        data = {
            "pid": process.pid,
            **status,
            "run_s": self._age_s(),
            "start_s": seen.get("start_s"),
            "sigterm_ignored": ignored,
            "listens_on": seen.get("listens_on", []),
        }
        self._emit("control.ended", data)
        return status, died

    def _age_s(self) -> float:
        return round((time.monotonic_ns() - self._started_ns) / NS_PER_S, 4)

    def _last_lines(self, name: str) -> list[str]:
        path = self._artifacts / name
        if not path.exists():
            return []
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - TAIL_BYTES))
            lines = log.read().decode("utf-8", errors="replace").splitlines()
        return [line[:MAX_LINE_CHARS] for line in lines[-MAX_LINES:]]

    def _emit(self, kind: str, data: dict[str, Any], mono_ns: int | None = None) -> None:
        self._recorder.emit("supervisor", kind, data, life=CONTROL, mono_ns=mono_ns)


async def _step(what: str, work: Awaitable[Before]) -> Before:
    try:
        return await work
    except StepError as error:
        raise _FailedError(what, error.why) from None


def _ended(status: dict[str, Any]) -> str:
    if status.get("signal"):
        return f"was ended by {status['signal']}"
    return f"exited with {status['exit_code']}"


def _not_ready(asked: str, answer: dict[str, Any], log: str, within_s: float) -> str:
    if log:
        said = f"no line of its output has matched {log!r}"
    elif answer["status_code"] is not None:
        said = f"{asked} last answered {answer['status_code']}"
    elif "error" in answer:
        said = f"{asked} last failed with {answer['error']}"
    else:
        said = f"{asked} accepted no connection"
    return f"it was not ready within {within_s:g} s: {said}"
