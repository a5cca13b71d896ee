"""One run from start to end: engine, baseline, faults, attempts, verdict, teardown."""

from __future__ import annotations

import asyncio
import random
import uuid
from typing import TYPE_CHECKING, Any

from crashloop.ending import first_failure, record_failure
from crashloop.engines.base import Setup
from crashloop.engines.catalogue import LOCAL
from crashloop.errors import CapabilityError, HarnessError, UsageError
from crashloop.faults.injector import Unplugged
from crashloop.header import make_header
from crashloop.judge import judge
from crashloop.model import Role
from crashloop.options import rerun_command
from crashloop.preflight import require_runnable
from crashloop.run import TRACE_FILE, VERDICT_FILE, Run, artifacts_folder, write_evidence
from crashloop.timeline import Timeline
from crashloop.trace.event import (
    DEADLINE_PASSED,
    GOLDEN_PATH_ENDED,
    PLATFORM_GAVE_UP,
    Trace,
    ordered,
)
from crashloop.trace.recorder import Recorder
from crashloop.trace.redact import Redactor
from crashloop.trace.writer import TraceWriter
from crashloop.visitor import Visitor

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from crashloop.engines.base import Attempt, Engine
    from crashloop.faults.injector import Injector
    from crashloop.model import Scenario
    from crashloop.options import RunOptions

# Wall seconds for each step of a run's end; each step also has shorter bounds of its own.
STOP_BOUND_S = 30.0


async def run_scenario(scenario: Scenario, options: RunOptions) -> Run:
    """Run `scenario` once and judge it.

    The trace and `verdict.json` are written on every path. If the harness breaks, the Run has
    HARNESS_ERROR. Cancellation writes INCONCLUSIVE and is raised again, as is a refusal:
    CapabilityError or UsageError if this machine or the input does not allow the run. Raises
    HarnessError if the evidence could not be written.
    """
    require_runnable(scenario, options.scale, on_this_machine=options.engine.name == LOCAL)
    artifacts = options.artifacts or artifacts_folder(scenario.incident)
    command = options.command or rerun_command(scenario, options)
    redactor = Redactor()
    header = make_header(scenario, options, command=command)
    with TraceWriter(artifacts / TRACE_FILE, header, redactor) as writer:
        recorder = Recorder(writer, redactor)
        if options.on_event is not None:
            recorder.subscribe(options.on_event)

        def conclude(how: str) -> Run:
            """Judge the run and write its evidence, then record in the trace that it ended."""
            data = {"how": how, "events": len(recorder.events) + 1}
            last = recorder.make("harness", "run.finished", data)
            trace = Trace(header=header, events=ordered([*recorder.events, last]))
            run = Run(
                scenario=scenario,
                trace=trace,
                judgement=judge(trace),
                artifacts=artifacts,
                seed=options.seed,
                command=command,
            )
            write_evidence(run)
            recorder.record(last)
            writer.sync()
            return run

        try:
            setup = Setup(
                scenario=scenario,
                seed=options.seed,
                scale=options.scale,
                recorder=recorder,
                artifacts=artifacts,
                postgres_bin=options.postgres_bin,
            )
            return conclude(await _Lab(setup, options).execute())
        except BaseException as error:
            failure = first_failure(error)
            # The verdict goes first: if the disk is full, `record_failure` raises.
            (artifacts / VERDICT_FILE).unlink(missing_ok=True)
            how = record_failure(failure, recorder)
            run = conclude(how)
            if isinstance(failure, CapabilityError | UsageError):
                raise failure from None
            if not isinstance(error, Exception):
                raise
            return run


class _Lab:
    """The moving parts of one run, started in order and ended on every path."""

    def __init__(self, setup: Setup, options: RunOptions) -> None:
        self._setup = setup
        self._recorder = setup.recorder
        self._engine = options.engine
        self._patience_s = options.patience_s

    async def execute(self) -> str:
        """Run everything; returns one of ENDS: why the run ended."""
        async with asyncio.TaskGroup() as group:
            stray_errors = group.create_task(_fail_on_stray_errors())
            how = await self._run()
            stray_errors.cancel()
        return how

    async def _run(self) -> str:
        setup = self._setup
        async with self._engine.open(setup) as engine, asyncio.TaskGroup() as group:
            unplugged = setup.scenario.role is Role.UNPLUGGED
            injector: Injector = Unplugged() if unplugged else engine.proxy
            timeline = Timeline(
                setup.scenario.faults,
                injector=injector,
                recorder=setup.recorder,
                scale=setup.scale,
            )
            background = [
                group.create_task(timeline.run()),
                group.create_task(engine.fail_when_broken()),
            ]
            await engine.baseline()
            await timeline.settled()
            how = await self._attempts(engine, group)
            await timeline.end("the run ended")
            for task in background:
                task.cancel()
        return how

    async def _attempts(self, engine: Engine, group: asyncio.TaskGroup) -> str:
        """Let the platform run attempts, visit each, and stop them when the run is over."""
        visitor = Visitor(
            key=golden_key(self._setup.seed), recorder=self._recorder, read_row=engine.read_row
        )
        visits: list[asyncio.Task[None]] = []

        def on_attempt(attempt: Attempt) -> None:
            visits.append(group.create_task(_accompany(engine, visitor, attempt)))

        platform = engine.platform(on_attempt)
        restarting = group.create_task(platform.run())
        visited = group.create_task(visitor.finished.wait())
        deadline_s = self._setup.scale.wall_s(self._setup.scenario.deadline_s)
        await asyncio.wait(
            {visited, restarting},
            timeout=deadline_s + self._patience_s,
            return_when=asyncio.FIRST_COMPLETED,
        )
        how = DEADLINE_PASSED
        if visited.done():
            how = GOLDEN_PATH_ENDED
        elif restarting.done():
            how = PLATFORM_GAVE_UP
        visited.cancel()
        await self._within_bound(platform.stop(), "the platform to stop the app")
        await self._within_bound(restarting, "the platform to end")
        await self._within_bound(asyncio.gather(*visits), "the visit of every attempt to end")
        return how

    async def _within_bound(self, work: Awaitable[object], awaited: str) -> None:
        try:
            async with asyncio.timeout(STOP_BOUND_S) as bound:
                await work
        except TimeoutError:
            if not bound.expired():
                raise
            last = self._recorder.events[-1]
            raise HarnessError(
                f"waited {STOP_BOUND_S:g} s for {awaited}; the last event was {last.source} "
                f"{last.kind} (seq {last.seq})",
                hint="this run is invalid; run it again on a less busy machine",
            ) from None


async def _fail_on_stray_errors() -> None:
    """Wait until a callback of the loop raises, and raise its error; asyncio would only log it.

    A disk that fills up while the app's output arrives must end the run, not lose evidence.
    """
    loop = asyncio.get_running_loop()
    stray: asyncio.Future[None] = loop.create_future()
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException) and not stray.done():
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


async def _accompany(engine: Engine, visitor: Visitor, attempt: Attempt) -> None:
    """Visit one attempt while it lives, then count what it left behind."""
    await visitor.visit(attempt)
    await attempt.ended.wait()
    await engine.count_backends(attempt.number)


def golden_key(seed: int) -> str:
    """The golden path's message key: a UUID drawn from the run's seed."""
    bits = random.Random(seed).getrandbits(128)  # noqa: S311  repeatable, and not a secret
    return str(uuid.UUID(int=bits, version=4))
