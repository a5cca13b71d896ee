"""One run from start to end: engine, baseline, faults, attempts, verdict, teardown."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from crashloop.apps import inherited, secret_values
from crashloop.control import control_life
from crashloop.ending import first_failure, record_failure
from crashloop.engines.base import Setup
from crashloop.errors import CapabilityError, HarnessError, UsageError
from crashloop.header import make_header
from crashloop.incidents.own_app import is_logged
from crashloop.journey import Draws, TryCount
from crashloop.judge import judge
from crashloop.model import Role
from crashloop.options import rerun_command
from crashloop.preflight import require_runnable
from crashloop.run import TRACE_FILE, VERDICT_FILE, Run, artifacts_folder, write_evidence
from crashloop.timeline import Timeline
from crashloop.trace.event import (
    CONTROL_FAILED,
    DEADLINE_PASSED,
    JOURNEY_ENDED,
    NOT_BACK_IN_TIME,
    PLATFORM_GAVE_UP,
    Trace,
    ordered,
)
from crashloop.trace.recorder import Recorder
from crashloop.trace.redact import Redactor
from crashloop.trace.writer import TraceWriter
from crashloop.users import Users

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from crashloop.engines.base import Attempt, Engine, ReplicaSet
    from crashloop.model import Scenario
    from crashloop.options import RunOptions
    from crashloop.trace.event import Event

# Wall seconds for each step of a run's end; each step also has shorter bounds of its own.
STOP_BOUND_S = 30.0


async def run_scenario(scenario: Scenario, options: RunOptions) -> Run:
    """Run `scenario` once and judge it.

    The trace and `verdict.json` are written on every path. If the harness breaks, the Run has
    HARNESS_ERROR. Cancellation writes INCONCLUSIVE and is raised again, as is a refusal:
    CapabilityError or UsageError if this machine or the input does not allow the run. Raises
    HarnessError if the evidence could not be written.
    """
    require_runnable(scenario, options.scale, options.engine)
    artifacts = options.artifacts or artifacts_folder(scenario.incident)
    command = options.command or rerun_command(scenario, options)
    app = scenario.app
    secrets = secret_values(app, {**inherited(app), **app.env})
    # Masking a word of the scenario, such as the password "postgres", would blank the trace's own.
    redactor = Redactor(
        set(secrets) - {each.name for each in scenario.dependencies} - {*app.phases}
    )
    header = make_header(scenario, options, command=command, redactor=redactor)
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
        self._draws = Draws(setup.seed)

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
            watching = group.create_task(engine.fail_when_broken())
            tries = TryCount(setup.scenario.app.journey, draws=self._draws, recorder=self._recorder)
            healthy = None
            if setup.scenario.is_own_app:
                healthy = await control_life(setup, engine, draws=self._draws, tries=tries)
                if healthy is None:
                    watching.cancel()
                    return CONTROL_FAILED
                tries.scale(setup.scale)
            visits: list[asyncio.Task[None]] = []
            ending = asyncio.Event()
            users = Users(setup, engine, tries=tries, healthy=healthy)

            def on_attempt(attempt: Attempt) -> None:
                if not ending.is_set():
                    visits.append(group.create_task(_accompany(engine, users, attempt)))

            scenario = setup.scenario
            timeline = Timeline(
                scenario.faults,
                ports=engine.ports,
                recorder=setup.recorder,
                scale=setup.scale,
                plugged=scenario.role is not Role.UNPLUGGED,
                start_s=healthy.start_s if healthy and not is_logged(scenario.phase) else 0.0,
            )
            replicas = engine.replica_set(on_attempt, timeline.done_after)
            background = [group.create_task(timeline.run()), watching]
            try:
                await engine.baseline()
                await timeline.settled()
                how = await self._lives(replicas, users, group)
                # A stopped database cannot say what was left.
                ended = timeline.end("the run ended")
                await self._within_bound(ended, "every fault to be healed")
                await self._within_bound(asyncio.gather(*visits), "the visit of every life to end")
            finally:
                ending.set()  # a group that shuts down takes no more tasks
            for task in background:
                task.cancel()
        return how

    async def _lives(self, replicas: ReplicaSet, users: Users, group: asyncio.TaskGroup) -> str:
        """Let the platform run lives until every replica's users have finished, then stop them."""
        visitors = users.visitors

        def on_event(event: Event) -> None:
            visitor = visitors.get(event.replica or 0)
            if visitor is not None and _gave_up(event):
                visitor.finished.set()

        self._recorder.subscribe(on_event)
        restarting = group.create_task(replicas.run())
        journeys = group.create_task(users.finished())
        too_late = group.create_task(users.too_late())
        try:
            await asyncio.wait(
                {journeys, restarting, too_late},
                timeout=users.deadline_wall_s() + self._patience_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            self._recorder.unsubscribe(on_event)
        gave_up = {event.replica for event in self._recorder.events if _gave_up(event)}
        how = DEADLINE_PASSED
        if gave_up >= set(visitors) or restarting.done():
            how = PLATFORM_GAVE_UP
        elif journeys.done():
            how = JOURNEY_ENDED
        elif too_late.done():
            how = NOT_BACK_IN_TIME
        journeys.cancel()
        too_late.cancel()
        data_s = users.data_wall_s()
        await self._within_bound(users.check_data(), "the data from before the fault", data_s)
        users.leave()
        await self._within_bound(replicas.stop(), "the platform to stop the app")
        await self._within_bound(restarting, "the platform to end")
        return how

    async def _within_bound(
        self, work: Awaitable[object], awaited: str, work_s: float = 0.0
    ) -> None:
        """Wait for work that may itself take `work_s`; HarnessError if it takes much longer."""
        bound_s = work_s + STOP_BOUND_S
        try:
            async with asyncio.timeout(bound_s) as bound:
                await work
        except TimeoutError:
            if not bound.expired():
                raise
            last = self._recorder.events[-1]
            raise HarnessError(
                f"waited {bound_s:g} s for {awaited}; the last event was {last.source} "
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


async def _accompany(engine: Engine, users: Users, attempt: Attempt) -> None:
    """Visit one life while it lasts, then count what it left behind."""
    await users.visit(attempt)
    await attempt.ended.wait()
    await engine.count_sessions(attempt.life)


def _gave_up(event: Event) -> bool:
    return event.kind == "restart.gave_up"
