"""However a run ends, its trace, its verdict and what is raised say the same."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from fake_engine import FakeEngine, NoPath, NoPorts

from crashloop import lab
from crashloop.errors import CapabilityError, CrashloopError, HarnessError, UsageError
from crashloop.incidents import incident
from crashloop.judge import judge
from crashloop.lab import run_scenario
from crashloop.model import CheckSpec, Life, Moment, Role, Signature, Trigger, Verdict
from crashloop.options import RunOptions
from crashloop.proof import prove
from crashloop.run import VERDICT_FILE, Run, write_evidence
from crashloop.trace.reader import read_trace
from crashloop.trace.writer import TraceWriter

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.engines.base import Attempt
    from crashloop.model import Judgement
    from crashloop.supervisor.life import BeforeRestart
    from crashloop.trace.event import Event
    from crashloop.trace.recorder import Recorder

# A run of the fake engine satisfies it, unless the run failed.
EASY = Signature(name="easy", require=(), expect=(CheckSpec(check="evidence_complete"),))
SCENARIO = replace(incident("issue-1278").scenario(Role.CONTROL), signature=EASY)


class Stop(BaseException):
    """Neither an error nor a cancellation, as pytest's own outcomes are."""


Part = Callable[[FakeEngine], Coroutine[Any, Any, None]]


def broken(**parts: Part) -> type[FakeEngine]:
    """An engine some parts of which are replaced."""
    return type("Broken", (FakeEngine,), parts)


def raises(error: BaseException) -> Part:
    async def part(_: FakeEngine) -> None:
        raise error

    return part


async def waits(_: FakeEngine) -> None:
    await asyncio.Event().wait()


async def fails_in_a_callback(_: FakeEngine) -> None:
    asyncio.get_running_loop().call_soon([].pop)
    await asyncio.sleep(0.001)


async def fails_in_a_callback_and_waits(engine: FakeEngine) -> None:
    await fails_in_a_callback(engine)
    await waits(engine)


LACKING = CapabilityError("no such device", hint="use another machine")
BREAKS_AT_TEARDOWN = broken(end=raises(KeyError("server")))
BREAKS_AT_START = broken(start=raises(AssertionError("not a port")))


def options(folder: Path, engine: type[FakeEngine] = FakeEngine, **more: Any) -> RunOptions:
    return RunOptions(artifacts=folder / "run", engine=engine, **more)


def judged_again(folder: Path) -> Judgement:
    """The verdict that `crashloop judge` gives, which must be the one on disk."""
    judgement = judge(read_trace(folder / "run"))
    on_disk = json.loads((folder / "run" / VERDICT_FILE).read_text())
    assert (on_disk["verdict"], on_disk["reason"]) == (judgement.verdict, judgement.reason)
    return judgement


def when(kind: str, do: Callable[[], object]) -> Callable[[Event], None]:
    def listener(event: Event) -> None:
        if event.kind == kind:
            do()

    return listener


async def test_a_run_that_ends_is_judged(tmp_path: Path) -> None:
    run = await run_scenario(SCENARIO, options(tmp_path))

    assert run.verdict is Verdict.REPRODUCED
    assert judged_again(tmp_path) == run.judgement
    assert run.trace.events[-1].data["how"] == "the platform gave up"


async def test_a_secret_that_is_a_word_of_the_scenario_blanks_none_of_the_trace(
    tmp_path: Path,
) -> None:
    env = {**SCENARIO.app.env, "POSTGRES_PASSWORD": "postgres", "API_KEY": "signature"}
    scenario = replace(SCENARIO, app=replace(SCENARIO.app, env=env))
    run = await run_scenario(scenario, options(tmp_path))

    assert run.verdict is Verdict.REPRODUCED
    assert judged_again(tmp_path) == run.judgement
    assert run.trace.header["scenario"]["app"]["env"]["API_KEY"] == "***"


@pytest.mark.parametrize(
    ("engine", "reason"),
    [
        (BREAKS_AT_TEARDOWN, "KeyError: 'server'"),
        (BREAKS_AT_START, "AssertionError: not a port"),
        (broken(fail_when_broken=raises(ZeroDivisionError()), baseline=waits), "ZeroDivisionError"),
        (broken(end=fails_in_a_callback), "IndexError: pop from empty list"),
        (broken(baseline=fails_in_a_callback_and_waits), "IndexError: pop from empty list"),
        (
            broken(start=raises(ExceptionGroup("both", [LACKING, KeyError("port")]))),
            "KeyError: 'port'",
        ),
    ],
)
async def test_an_error_that_is_not_ours_is_a_harness_error_everywhere(
    tmp_path: Path, engine: type[FakeEngine], reason: str
) -> None:
    run = await run_scenario(SCENARIO, options(tmp_path, engine))

    assert run.verdict is Verdict.HARNESS_ERROR
    assert reason in run.judgement.reason
    assert judged_again(tmp_path) == run.judgement
    failed = run.trace.first("harness.failed")
    assert failed is not None
    assert reason.partition(":")[0] in failed.data["traceback"]
    assert "report it" in failed.data["hint"]


@pytest.mark.parametrize("kind", ["lab.ready", "baseline.passed", "run.finished"])
async def test_a_listener_that_raises_fails_the_run_even_at_its_last_event(
    tmp_path: Path, kind: str
) -> None:
    listener = when(kind, {}.popitem)
    run = await run_scenario(SCENARIO, options(tmp_path, on_event=listener))

    assert run.verdict is Verdict.HARNESS_ERROR
    assert judged_again(tmp_path).verdict is Verdict.HARNESS_ERROR


async def test_evidence_that_cannot_be_written_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[Run] = []

    def write_at_the_second_try(run: Run) -> None:
        tries.append(run)
        if len(tries) == 1:
            write_evidence(run)
            raise HarnessError("cannot write the verdict")
        write_evidence(run)

    monkeypatch.setattr(lab, "write_evidence", write_at_the_second_try)
    run = await run_scenario(SCENARIO, options(tmp_path))

    assert tries[0].verdict is Verdict.REPRODUCED
    assert run.verdict is Verdict.HARNESS_ERROR
    assert judged_again(tmp_path).verdict is Verdict.HARNESS_ERROR


async def test_evidence_that_can_never_be_written_leaves_no_verdict_but_a_failed_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(run: Run) -> NoReturn:
        write_evidence(run)
        raise HarnessError("cannot write the verdict")

    monkeypatch.setattr(lab, "write_evidence", full)
    with pytest.raises(HarnessError, match="cannot write the verdict"):
        await run_scenario(SCENARIO, options(tmp_path))

    assert judge(read_trace(tmp_path / "run")).verdict is Verdict.HARNESS_ERROR


async def test_a_disk_that_is_full_before_the_last_event_leaves_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = TraceWriter.write
    verdicts: list[str] = []

    def full_at_the_end(writer: TraceWriter, record: Mapping[str, Any]) -> None:
        if record.get("kind") == "run.finished":
            verdicts.append(json.loads((tmp_path / "run" / VERDICT_FILE).read_text())["verdict"])
        if verdicts:
            raise HarnessError("cannot write the trace")
        write(writer, record)

    monkeypatch.setattr(TraceWriter, "write", full_at_the_end)
    with pytest.raises(HarnessError, match="cannot write the trace"):
        await run_scenario(SCENARIO, options(tmp_path))

    assert verdicts == [Verdict.REPRODUCED]
    assert not (tmp_path / "run" / VERDICT_FILE).exists()


async def test_a_trace_that_does_not_reach_the_disk_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken_disk(_fd: int) -> NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken_disk)
    with pytest.raises(HarnessError, match=r"cannot write the trace .*Input/output error"):
        await run_scenario(SCENARIO, options(tmp_path))

    assert judged_again(tmp_path).verdict is Verdict.HARNESS_ERROR


async def test_a_base_exception_is_recorded_and_raised_again(tmp_path: Path) -> None:
    engine = broken(fail_when_broken=raises(Stop()), baseline=waits)
    with pytest.raises(BaseExceptionGroup):
        await run_scenario(SCENARIO, options(tmp_path, engine))

    assert judged_again(tmp_path).verdict is Verdict.HARNESS_ERROR


@pytest.mark.parametrize(
    "error", [LACKING, UsageError("no such folder", hint="name another")], ids=repr
)
async def test_a_refusal_is_inconclusive_and_not_a_failure_of_the_harness(
    tmp_path: Path, error: CrashloopError
) -> None:
    with pytest.raises(type(error)):
        await run_scenario(SCENARIO, options(tmp_path, broken(start=raises(error))))

    judgement = judged_again(tmp_path)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reason == f"the run was refused: {error.message}"
    kinds = [event.kind for event in read_trace(tmp_path / "run").events]
    assert kinds == ["run.refused", "run.finished"]


async def test_a_cancelled_run_is_inconclusive_and_stays_cancelled(tmp_path: Path) -> None:
    ready = asyncio.Event()

    class Waits(FakeEngine):
        async def baseline(self) -> None:
            ready.set()
            await asyncio.Event().wait()

    running = asyncio.create_task(run_scenario(SCENARIO, options(tmp_path, Waits)))
    await ready.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert "interrupted" in judged_again(tmp_path).reason


async def test_a_life_that_starts_while_the_run_is_cancelled_breaks_nothing(tmp_path: Path) -> None:
    running: asyncio.Task[Run]

    class StartsAtTheEnd(FakeEngine):
        def replica_set(
            self, on_attempt: Callable[[Attempt], None], before_restart: BeforeRestart
        ) -> StartsAtTheEnd:
            del before_restart
            self.on_attempt = on_attempt
            return self

        async def run(self) -> None:
            running.cancel()
            try:
                await asyncio.Event().wait()
            finally:
                started: Any = SimpleNamespace(life=Life(1, 1), address=None, ended=asyncio.Event())
                self.on_attempt(started)

    running = asyncio.create_task(run_scenario(SCENARIO, options(tmp_path, StartsAtTheEnd)))
    with pytest.raises(asyncio.CancelledError):
        await running

    assert "interrupted" in judged_again(tmp_path).reason


async def test_a_proof_ends_at_the_first_run_that_failed(tmp_path: Path) -> None:
    proof = await prove(incident("issue-1278"), {}, options(tmp_path, BREAKS_AT_TEARDOWN))

    assert [step.run.verdict for step in proof.steps] == [Verdict.HARNESS_ERROR]
    assert proof.verdict is Verdict.HARNESS_ERROR


async def test_a_heal_in_progress_when_the_platform_gives_up_is_recorded(tmp_path: Path) -> None:
    heals = asyncio.Event()

    class SlowPath(NoPath):
        async def heal(self, fault_id: str) -> None:
            del fault_id
            heals.set()
            await asyncio.sleep(0.05)  # the work itself; nothing waits for it by the clock

    class SlowPorts(NoPorts):
        def path(self, target: str) -> NoPath:
            del target
            return SlowPath()

    class Slow(FakeEngine):
        def __init__(self, recorder: Recorder, targets: tuple[str, ...]) -> None:
            super().__init__(recorder, targets)
            self.ports = SlowPorts(recorder)

        async def run(self) -> None:
            self.recorder.emit("supervisor", "process.exited", life=Life(1, 1))
            await heals.wait()

    fault = replace(
        incident("issue-1278").scenario().faults[0],
        inject=Trigger(first_of=(Moment(on="baseline.passed"),)),
        heal=Trigger(first_of=(Moment(on="process.exited", where={"attempt": 1}),)),
    )
    scenario = replace(SCENARIO, faults=(fault,))
    run = await run_scenario(scenario, options(tmp_path, Slow))

    (healed,) = run.trace.of("fault.healed")
    assert healed.data["trigger"] == "process.exited (attempt 1)"


@pytest.mark.parametrize(
    ("part", "awaited"), [("stop", "the platform to stop the app"), ("run", "the platform to end")]
)
async def test_a_platform_that_does_not_end_is_a_harness_error_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, awaited: str
) -> None:
    monkeypatch.setattr(lab, "STOP_BOUND_S", 0.01)
    scenario = replace(SCENARIO, deadline_s=0.0)
    run = await run_scenario(scenario, options(tmp_path, broken(**{part: waits}), patience_s=0.0))

    assert run.verdict is Verdict.HARNESS_ERROR
    assert f"waited 0.01 s for {awaited}; the last event was harness" in run.judgement.reason


async def test_a_folder_that_cannot_take_the_trace_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "run").touch()

    with pytest.raises(UsageError, match="cannot write the trace"):
        await run_scenario(SCENARIO, options(tmp_path, BREAKS_AT_START))


async def test_a_folder_with_a_trace_is_wrong_usage(tmp_path: Path) -> None:
    first = await run_scenario(SCENARIO, options(tmp_path))

    with pytest.raises(UsageError, match="there is a trace already"):
        await run_scenario(SCENARIO, options(tmp_path, BREAKS_AT_START))
    assert judged_again(tmp_path) == first.judgement
