"""A check from its plan to its results, with answers in place of runs."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from absences import absence, shop
from crashloop_own_apps import OwnAppRun, held, scenario

from crashloop.clock import TimeScale
from crashloop.judge import judge
from crashloop.model import AppUnderTest, Outcome, Role, Scenario
from crashloop.report.data import run_document
from crashloop.survey.children import Answer
from crashloop.survey.evidence import RUN_FILE, Evidence
from crashloop.survey.execution import Check, Found
from crashloop.survey.plan import Planned, plan_incidents
from crashloop.survey.progress import Progress
from crashloop.survey.result import Met
from crashloop.survey.view import PlainView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.trace.event import Trace

REFUSING = Planned(incident="a", title="a", params={}, scale=20.0, expected_s=1.0)
HANGING = replace(REFUSING, incident="b")
SLOW = replace(REFUSING, incident="c", scale=1.0)
REST = replace(REFUSING, incident="d", why="no Redis")
HUNG = replace(REFUSING, incident="issue-1278", scale=1.0)


class Machine:
    def scale(self, ordinary: float) -> TimeScale:
        return TimeScale(factor=ordinary)

    def require(self, scenario: Scenario, scale: TimeScale) -> None:
        pass


def answer(outcome: str = "SURVIVED", **more: Any) -> dict[str, Any]:
    return {"outcome": outcome, "verdict": "REPRODUCED", "exit_status": 0, "why": "so"} | more


@dataclass(slots=True, kw_only=True)
class Lab:
    """Answers each question; `traces` are written into the folder of the run, by its incident."""

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    traces: dict[str, Trace] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    now: int = 0
    most: int = 0

    async def ask(self, words: Sequence[str], **_: Any) -> Answer:
        role = "control" if "control" in words else ""
        self.asked.append((words[1], role))
        self.now += 1
        self.most = max(self.most, self.now)
        for _turn in range(3):
            await asyncio.sleep(0)
        self.now -= 1
        if trace := self.traces.get(role or words[1]):
            write(trace, words[words.index("--artifacts") + 1])
        return Answer(document=self.answers.get(role or words[1], answer()), took_s=1.0)


def real_lab() -> Lab:
    """Answers for `HUNG` and its control as real runs give them, with their traces."""
    control = OwnAppRun(scenario(role=Role.CONTROL))
    control.begin()
    control.answered(control.serves(1), 1)
    control.stops(1)
    traces = {"issue-1278": held(deaths=2), "control": control.over()}
    answers = {
        name: run_document(trace, judge(trace), artifacts="", trace_path="elsewhere")
        for name, trace in traces.items()
    }
    return Lab(answers=answers, traces=traces)


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def write(trace: Trace, folder: str) -> None:
    Path(folder).mkdir(parents=True)
    lines = [trace.header, *(event.to_json() for event in trace.events)]
    (Path(folder) / "trace.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))


async def found(
    lab: Lab,
    folder: Path,
    *runs: Planned,
    app: AppUnderTest | None = None,
    dependencies: bool = False,
    resume: bool = False,
    at_once: int = 2,
) -> Found:
    under_test = app or shop()
    check = Check(
        app=under_test,
        config="",
        machine=Machine(),
        require=Outcome.RECOVERED,
        evidence=Evidence(folder, under_test, resume=resume),
        view=PlainView(Progress(at_once=lambda _: at_once), StringIO()),
        at_once=lambda _: at_once,
        with_dependencies=dependencies,
        ask=lab.ask,
    )
    return await check.run(runs)


async def test_a_check_that_is_cancelled_still_has_what_its_ended_runs_show(
    tmp_path: Path,
) -> None:
    lab, second = Lab(), asyncio.Event()

    async def ask(words: Sequence[str], **more: Any) -> Answer:
        if words[1] == HANGING.incident:
            second.set()
            await asyncio.Event().wait()
        return await lab.ask(words, **more)

    app = shop()
    check = Check(
        app=app,
        config="",
        machine=Machine(),
        require=Outcome.RECOVERED,
        evidence=Evidence(tmp_path, app),
        view=PlainView(Progress(at_once=lambda _: 1), StringIO()),
        at_once=lambda _: 1,
        with_dependencies=False,
        ask=ask,
    )
    runs = [REFUSING, HANGING, REST]
    work = asyncio.create_task(check.run(runs))
    await second.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert [each.incident for each in check.so_far(runs).results] == ["a", "d"]


async def test_one_control_comes_first_whatever_the_time_scales(tmp_path: Path) -> None:
    lab = Lab()
    done = await found(lab, tmp_path, REFUSING, HANGING, SLOW, REST)
    assert lab.asked == [("a", "control"), ("a", ""), ("b", ""), ("c", "")]
    assert [each.incident for each in done.results] == ["a", "b", "c", "d"]
    assert done.results[-1].met is Met.DOES_NOT_APPLY
    assert lab.most == 2


async def test_no_more_runs_are_made_at_once_than_allowed(tmp_path: Path) -> None:
    lab = Lab()
    await found(lab, tmp_path, REFUSING, HANGING, at_once=1)
    assert lab.most == 1


@pytest.mark.parametrize(
    ("control", "met"),
    [
        (answer("NEVER_STARTED", why="it exited with 1"), Met.NEVER_STARTED),
        ({"error": "no Postgres here", "exit_status": 11}, Met.DOES_NOT_APPLY),
        ({"error": "it broke", "exit_status": 12}, Met.HARNESS),
    ],
)
async def test_an_app_that_does_not_work_without_a_fault_ends_the_check(
    tmp_path: Path, control: dict[str, Any], met: Met
) -> None:
    lab = Lab(answers={"control": control})
    done = await found(lab, tmp_path, REFUSING, HANGING, REST)
    assert lab.asked == [("a", "control")]
    assert [each.met for each in done.results] == [met, met, Met.DOES_NOT_APPLY]
    assert done.stopped == control.get("why", control.get("error"))


async def test_an_app_that_does_not_work_without_a_fault_is_tried_in_no_group(
    tmp_path: Path,
) -> None:
    lab = Lab(answers={"control": answer("NEVER_STARTED")})
    done = await found(lab, tmp_path, REFUSING, SLOW)
    assert lab.asked == [("a", "control")]
    assert [each.met for each in done.results] == [Met.NEVER_STARTED] * 2


async def test_what_broke_the_app_comes_first_and_what_it_survived_after_it(tmp_path: Path) -> None:
    lab = Lab(answers={"b": answer("RECOVERED"), "c": answer("NOT_RECOVERED")})
    done = await found(lab, tmp_path, REST, REFUSING, HANGING, SLOW)
    assert [each.incident for each in done.results] == ["c", "b", "a", "d"]


async def test_an_app_that_started_in_the_control_is_told_what_leaves_it_too_little(
    tmp_path: Path,
) -> None:
    lab = Lab(answers={"b": answer("NEVER_STARTED", why="without a fault, it exited with 3")})
    done = await found(lab, tmp_path, REFUSING, HANGING)
    (result,) = [each for each in done.results if each.incident == "b"]
    assert result.met is Met.INCONCLUSIVE
    assert "the time scale of 20, or what the incident sets, leaves it too little" in result.why
    assert "--real-time" in result.why


async def test_a_remedy_that_the_app_does_not_start_with_is_named(tmp_path: Path) -> None:
    lab = Lab(answers={"b": answer("NEVER_STARTED", why="without a fault, it exited with 3")})
    remedied = replace(HANGING, role=Role.REMEDY, remedy="mine")
    done = await found(lab, tmp_path, REFUSING, remedied)
    (result,) = [each for each in done.results if each.incident == "b"]
    assert result.why.endswith("the remedy mine is what it does not start with")


async def test_a_control_without_an_outcome_of_its_own_is_no_failure(tmp_path: Path) -> None:
    lab = Lab(answers={"control": answer("INCONCLUSIVE")})
    assert not (await found(lab, tmp_path, REFUSING)).stopped


async def test_a_journey_that_fails_without_a_fault_ends_the_check(tmp_path: Path) -> None:
    trace = absence()
    failed = replace(trace.control[-1], kind="control.failed")
    events = tuple(failed if each.seq == failed.seq else each for each in trace.events)
    broken = replace(trace, events=events)
    lab = Lab(
        answers={"control": answer("INCONCLUSIVE", why="its journey failed")},
        traces={"control": broken},
    )
    done = await found(lab, tmp_path, REFUSING)
    assert done.stopped == "its journey failed"


async def test_each_dependency_gets_its_need_from_the_traces_of_its_runs(tmp_path: Path) -> None:
    runs = {"refused": absence(), "silent": absence(dies=True, tries=(False,)), "slow": absence()}
    lab = Lab(traces={f"dependency:postgres:{way}": trace for way, trace in runs.items()})
    done = await found(lab, tmp_path, dependencies=True)
    (need,) = done.needs
    assert (need.name, str(need.start.need), str(need.run.need)) == ("postgres", "hard", "hard")


async def test_a_dependency_run_in_which_the_harness_broke_is_kept_with_its_reason(
    tmp_path: Path,
) -> None:
    name = "dependency:postgres:silent"
    lab = Lab(answers={name: {"error": "it is gone", "exit_status": 12}})
    done = await found(lab, tmp_path, dependencies=True)
    assert done.broken == {name: "it is gone"}


async def test_a_dependency_run_without_a_trace_is_unknown(tmp_path: Path) -> None:
    done = await found(Lab(), tmp_path, dependencies=True)
    assert str(done.needs[0].start.need) == "unknown"


async def test_a_resumed_check_runs_only_what_has_no_result(tmp_path: Path) -> None:
    await found(real_lab(), tmp_path, HUNG)
    lab = real_lab()
    done = await found(lab, tmp_path, HUNG, SLOW, resume=True)
    assert lab.asked == [("c", "")]
    assert [each.outcome for each in done.results] == [Outcome.RECOVERED, Outcome.SURVIVED]


@pytest.mark.parametrize("edited", [{"outcome": "SURVIVED"}, {"deaths": 0}, {"verdict": "x"}])
async def test_a_result_that_was_edited_is_run_again(
    tmp_path: Path, edited: dict[str, Any]
) -> None:
    await found(real_lab(), tmp_path, HUNG)
    file = tmp_path / "issue-1278" / RUN_FILE
    kept = json.loads(file.read_text())
    file.write_text(json.dumps(kept | {"result": kept["result"] | edited}))
    lab = real_lab()
    (result,) = (await found(lab, tmp_path, HUNG, resume=True)).results
    assert lab.asked == [("issue-1278", "")]
    assert (result.outcome, result.deaths) == (Outcome.RECOVERED, 2)


@pytest.mark.parametrize("trace", [None, "", "{}\n", "control"])
async def test_a_result_without_its_own_trace_is_run_again(
    tmp_path: Path, trace: str | None
) -> None:
    await found(real_lab(), tmp_path, HUNG)
    file = tmp_path / "issue-1278" / "trace.jsonl"
    file.unlink()
    if trace == "control":
        file.write_bytes((tmp_path / "control" / "trace.jsonl").read_bytes())
    elif trace is not None:
        file.write_text(trace)
    lab = real_lab()
    await found(lab, tmp_path, HUNG, resume=True)
    assert lab.asked == [("issue-1278", "")]


async def test_another_entry_parameter_or_scale_is_run_again_beside_the_old_evidence(
    tmp_path: Path,
) -> None:
    await found(real_lab(), tmp_path, HUNG)
    lab = real_lab()
    await found(lab, tmp_path, HUNG, app=shop(command=("other",)), resume=True)
    assert lab.asked == [("issue-1278", "control"), ("issue-1278", "")]
    assert names(tmp_path) == {"control", "control-2", "issue-1278", "issue-1278-2"}


@pytest.mark.parametrize("text", ['{"digest": ', "[" * 100_000], ids=["torn", "nested too deeply"])
async def test_a_torn_result_is_run_again(tmp_path: Path, text: str) -> None:
    await found(real_lab(), tmp_path, HUNG)
    (tmp_path / "control" / RUN_FILE).write_text(text)
    lab = real_lab()
    await found(lab, tmp_path, HUNG, resume=True)
    assert lab.asked == [("issue-1278", "control")]


async def test_the_result_of_a_broken_harness_is_not_kept(tmp_path: Path) -> None:
    await found(Lab(answers={"a": {"error": "it broke", "exit_status": 12}}), tmp_path, REFUSING)
    assert not (tmp_path / "a" / RUN_FILE).exists()


async def test_the_whole_library_can_be_run(tmp_path: Path) -> None:
    runs = plan_incidents(shop(), (), {}, Machine())
    done = await found(Lab(), tmp_path, *runs, dependencies=True)
    assert {each.incident for each in done.results} == {each.incident for each in runs}
