"""One run, start to finish: engine up, baseline, faults, attempts, verdict; owns the teardown."""

from __future__ import annotations

import asyncio
import random
import secrets
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crashloop.clock import TimeScale
from crashloop.engines.local import LocalEngine
from crashloop.errors import CapabilityError, CrashloopError, HarnessError, UsageError
from crashloop.faults.injector import Unplugged
from crashloop.header import make_header
from crashloop.judge import judge
from crashloop.model import Role
from crashloop.run import TRACE_FILE, Run, artifacts_folder, rerun_command, write_evidence
from crashloop.supervisor.loop import Supervisor
from crashloop.timeline import Timeline
from crashloop.trace.event import Trace, ordered
from crashloop.trace.recorder import Recorder
from crashloop.trace.redact import Redactor
from crashloop.trace.writer import TraceWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from crashloop.engines.base import Attempt, Engine
    from crashloop.faults.injector import Injector
    from crashloop.model import Scenario
    from crashloop.trace.event import Event
    from crashloop.visitor import Visitor

# Wall seconds on top of the scaled deadline for real work: cold starts on a slow, busy machine.
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How to run a scenario: `artifacts` None chooses a new folder under ./crashloop-artifacts.

    `engine` and `supervisor` are what is run; a test of the harness puts broken ones here.
    """

    scale: TimeScale = field(default_factory=TimeScale)
    seed: int | None = None
    artifacts: Path | None = None
    postgres_bin: Path | None = None
    command: str = ""
    patience_s: float = PATIENCE_S
    on_event: Callable[[Event], None] | None = None
    engine: type[Engine] = LocalEngine
    supervisor: type[Supervisor] = Supervisor


def new_seed() -> int:
    """A fresh seed; every random draw of a run comes from it."""
    return secrets.randbelow(2**32)


async def run_scenario(scenario: Scenario, options: RunOptions) -> Run:
    """Run `scenario` once and judge it.

    The trace and `verdict.json` are written on every path. A harness that breaks gives a Run with
    HARNESS_ERROR; cancellation writes INCONCLUSIVE and is raised again. Raises CapabilityError or
    UsageError where this machine or the input does not allow the run, HarnessError where not even
    the trace could be written.
    """
    if scenario.real_time_only and not options.scale.is_real_time:
        raise CapabilityError(
            f"this scenario runs in real time only: {scenario.real_time_only}",
            hint="add --real-time",
        )
    seed = new_seed() if options.seed is None else options.seed
    artifacts = options.artifacts or artifacts_folder(scenario.incident)
    command = options.command or rerun_command(
        scenario, options.scale, seed, engine=options.engine.name
    )
    run_id = secrets.token_hex(6)
    redactor = Redactor()
    header = make_header(
        scenario,
        run_id=run_id,
        seed=seed,
        scale=options.scale,
        command=command,
        engine=options.engine.name,
        capabilities=options.engine.capabilities(),
    )
    with TraceWriter(artifacts / TRACE_FILE, header, redactor) as writer:
        recorder = Recorder(writer, redactor)
        if options.on_event is not None:
            recorder.subscribe(options.on_event)
        lab = _Lab(scenario, options, recorder, artifacts, seed)
        try:
            await _recorded(lab.execute(), recorder)
        finally:
            trace = Trace(header=header, events=ordered(recorder.events))
            run = Run(
                scenario=scenario,
                trace=trace,
                judgement=judge(trace),
                artifacts=artifacts,
                seed=seed,
                command=command,
            )
            write_evidence(run)
    return run


async def _recorded(work: Coroutine[Any, Any, str], recorder: Recorder) -> None:
    """Await `work` and write how it ended as the trace's last events."""
    how = "failed"
    try:
        how = await work
    except asyncio.CancelledError:
        how = "interrupted"
        recorder.emit("harness", "run.interrupted", {})
        raise
    except (CrashloopError, OSError, ExceptionGroup) as error:
        failure = _first_failure(error)
        refused = isinstance(failure, CapabilityError | UsageError)
        kind = "run.refused" if refused else "harness.failed"
        recorder.emit("harness", kind, {"message": failure.message, "hint": failure.hint})
        if refused:
            how = "refused"
            raise failure from error
    finally:
        recorder.emit("harness", "run.finished", {"how": how, "events": len(recorder.events) + 1})


def _first_failure(error: Exception) -> CrashloopError:
    """The first of our errors in a group; anything else of the world's becomes one."""
    if isinstance(error, ExceptionGroup):
        return _first_failure(error.exceptions[0])
    if isinstance(error, CrashloopError):
        return error
    if isinstance(error, OSError):
        return HarnessError(f"{type(error).__name__}: {error}", hint="the trace up to here is kept")
    raise error


class _Lab:
    """The moving parts of one run, started in order and ended on every path."""

    def __init__(
        self,
        scenario: Scenario,
        options: RunOptions,
        recorder: Recorder,
        artifacts: Path,
        seed: int,
    ) -> None:
        self._scenario = scenario
        self._options = options
        self._recorder = recorder
        self._artifacts = artifacts
        self._seed = seed

    async def execute(self) -> str:
        """Run everything; says in words why the run ended."""
        options = self._options
        self._recorder.subscribe(self._load_meanwhile)
        engine_open = options.engine.open(
            self._scenario,
            seed=self._seed,
            scale=options.scale,
            recorder=self._recorder,
            artifacts=self._artifacts,
            postgres_bin=options.postgres_bin,
        )
        async with engine_open as engine, asyncio.TaskGroup() as group:
            unplugged = self._scenario.role is Role.UNPLUGGED
            injector: Injector = Unplugged() if unplugged else engine.proxy
            timeline = Timeline(
                self._scenario.faults,
                injector=injector,
                recorder=self._recorder,
                scale=options.scale,
            )
            background = [
                group.create_task(timeline.run()),
                group.create_task(engine.fail_when_broken()),
                group.create_task(_fail_on_stray_errors()),
            ]
            await engine.baseline()
            await timeline.settled()
            how = await self._attempts(engine, group)
            await timeline.end("the run ended")
            for task in background:
                task.cancel()
        return how

    def _load_meanwhile(self, event: Event) -> None:
        """Load the visitor while the engine's servers start, of which the first event tells."""
        del event
        self._recorder.unsubscribe(self._load_meanwhile)
        asyncio.get_running_loop().run_in_executor(None, _load_visitor)

    async def _attempts(self, engine: Engine, group: asyncio.TaskGroup) -> str:
        visitor = _load_visitor()(
            key=golden_key(self._seed), recorder=self._recorder, read_row=engine.read_row
        )
        visits: list[asyncio.Task[None]] = []

        def on_attempt(attempt: Attempt) -> None:
            visits.append(group.create_task(_accompany(engine, visitor, attempt)))

        platform = engine.platform(on_attempt, supervisor=self._options.supervisor)
        restarting = group.create_task(platform.run())
        visited = group.create_task(visitor.finished.wait())
        deadline_s = self._options.scale.wall_s(self._scenario.deadline_s)
        await asyncio.wait(
            {visited, restarting},
            timeout=deadline_s + self._options.patience_s,
            return_when=asyncio.FIRST_COMPLETED,
        )
        how = "the deadline passed"
        if visited.done():
            how = "the golden path ended"
        elif restarting.done():
            how = "the platform gave up"
        visited.cancel()
        await platform.stop()
        await restarting
        await asyncio.gather(*visits)
        return how


async def _fail_on_stray_errors() -> None:
    """Wait for ever; raise what a callback of the loop raised, which asyncio would only log.

    A full disk, met while the app's output arrives, must end the run and not thin out its evidence.
    """
    loop = asyncio.get_running_loop()
    stray: asyncio.Future[None] = loop.create_future()
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception) and not stray.done():
            stray.set_exception(error)
        elif before is not None:
            before(loop, context)
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
    try:
        await stray
    finally:
        loop.set_exception_handler(before)


def _load_visitor() -> type[Visitor]:
    """The visitor's class, whose imports take 0.2 s."""
    from crashloop.visitor import Visitor  # noqa: PLC0415  see `_load_meanwhile`

    return Visitor


async def _accompany(engine: Engine, visitor: Visitor, attempt: Attempt) -> None:
    """Visit one attempt while it lives, then count what it left behind."""
    await visitor.visit(attempt)
    await attempt.ended.wait()
    await engine.count_backends(attempt.number)


def golden_key(seed: int) -> str:
    """The golden path's message key: a UUID drawn from the run's seed."""
    bits = random.Random(seed).getrandbits(128)  # noqa: S311  repeatable, and not a secret
    return str(uuid.UUID(int=bits, version=4))
