"""A check from its plan to its results: a control, then all its runs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from crashloop.errors import CrashloopError
from crashloop.incidents import find
from crashloop.model import Role
from crashloop.report.clean import listing, number
from crashloop.survey.children import ask
from crashloop.survey.need import DependencyNeed, Seen, needs, not_seen, seen_in
from crashloop.survey.plan import (
    START_S,
    Group,
    Planned,
    control_of,
    grouped,
    plan_dependencies,
)
from crashloop.survey.reading import read_result, started_before
from crashloop.survey.result import Met, Result, by_damage, not_applicable, result_of
from crashloop.survey.shown import Shown, shown
from crashloop.trace.reader import read_trace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from crashloop.model import AppUnderTest, Outcome
    from crashloop.survey.children import Answer
    from crashloop.survey.evidence import Evidence
    from crashloop.survey.plan import Machine
    from crashloop.trace.event import Event, Trace

# A run has bounds of its own; this one is for a child that hangs.
BOUND_FACTOR, BOUND_S = 10.0, 600.0


class View(Protocol):
    """Shows many runs while they are made."""

    def planned(self, runs: Sequence[Planned]) -> None:
        """These runs are to come; a run with the folder of another replaces it."""

    def started(self, run: Planned) -> None:
        """A run has started."""

    def said(self, run: Planned, text: str) -> None:
        """A line of a run's progress."""

    def finished(self, run: Planned, shown: Shown, *, earlier: bool) -> None:
        """A run has ended, or it was made earlier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a check has found, what broke the app first.

    `stopped` is why it ended at its `control`; "" if it did not. `broken` are the runs without a
    dependency in which the harness broke, each with the reason.
    """

    results: tuple[Result, ...]
    needs: tuple[DependencyNeed, ...]
    control: Result | None = None
    stopped: str = ""
    broken: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Check:
    """A check of `app`; `at_once` are the runs at a time for each time scale.

    `remedy` is in place in all runs but the control.
    """

    app: AppUnderTest
    config: str
    machine: Machine
    require: Outcome
    evidence: Evidence
    view: View
    at_once: Callable[[float], int]
    with_dependencies: bool = True
    remedy: str = ""
    ask: Callable[..., Awaitable[Answer]] = ask
    _results: dict[str, Result] = field(default_factory=dict)
    _seen: dict[str, tuple[Planned, Seen]] = field(default_factory=dict)
    _control: Result | None = None
    _absent: list[Planned] = field(default_factory=list)
    _broken: dict[str, str] = field(default_factory=dict)

    async def run(self, incidents: Sequence[Planned]) -> Found:
        """Run everything that applies.

        It ends with the control if the app does not work without a fault.
        """
        if self.with_dependencies:
            self._absent = plan_dependencies(self.app, self.machine, remedy=self.remedy)
        runs = [*incidents, *self._absent]
        groups, control = grouped(runs), control_of(runs)
        if control is None:
            return self.so_far(incidents)
        self.view.planned([control, *(run for group in groups for run in group.runs)])
        answer, trace = await self._controlled(control)
        self._control = self._result(control, answer)
        if stopped := _does_not_work(self._control, trace):
            found = {run.incident: self._result(run, answer) for run in incidents if not run.why}
            self._results |= found
            return replace(self.so_far(incidents), stopped=stopped)
        for group in groups:
            await self._runs(group, start_s=_start_s(trace))
        return self.so_far(incidents)

    def so_far(self, incidents: Sequence[Planned]) -> Found:
        """What the runs that have ended show, and which of the incidents do not apply."""
        found = self._results | {
            each.incident: not_applicable(each) for each in incidents if each.why
        }
        results = [found[each.incident] for each in incidents if each.incident in found]
        asked = [self._seen[each.incident] for each in self._absent if each.incident in self._seen]
        return Found(
            results=tuple(by_damage(results)),
            needs=tuple(needs(asked)),
            control=self._control,
            broken={
                each.incident: self._broken[each.incident]
                for each in self._absent
                if each.incident in self._broken
            },
        )

    async def _controlled(self, run: Planned) -> tuple[Answer, Trace | None]:
        """Make the control; its answer and its trace."""
        answer, folder = await self._answer(run)
        trace = _trace(folder)
        return _with_lines(answer, trace), trace

    async def _runs(self, group: Group, *, start_s: float) -> None:
        """Make the runs of a group; `start_s` is how long the app took to start."""
        runs = tuple(each.after_control(start_s) for each in group.runs)
        if self.with_dependencies:
            timed = plan_dependencies(self.app, self.machine, start_s=start_s, remedy=self.remedy)
            again = {each.incident: each for each in timed}
            runs = tuple(again.get(each.incident, each) for each in runs)
        self.view.planned(runs)
        permits = asyncio.Semaphore(self.at_once(group.scale))
        async with asyncio.TaskGroup() as tasks:
            for run in runs:
                tasks.create_task(self._one(run, permits))

    async def _one(self, run: Planned, permits: asyncio.Semaphore) -> None:
        async with permits:
            answer, folder = await self._answer(run)
        if not run.target:
            self._results[run.incident] = self._read(run, answer, folder)
            return
        trace, result = _trace(folder), self._result(run, answer)
        seen = not_seen(run, result.why)
        if result.met is Met.HARNESS:
            self._broken[run.incident] = result.why
        elif trace is not None:
            seen = seen_in(run, trace, str(answer.document.get("trace") or folder), result.flags)
        self._seen[run.incident] = run, seen

    async def _answer(self, run: Planned) -> tuple[Answer, Path]:
        """The answer of an earlier check to the same question, or of a new run."""
        if earlier := self.evidence.earlier(run):
            self.view.finished(run, shown(run, self._read(run, *earlier)), earlier=True)
            return earlier
        folder = self.evidence.free(run)
        self.view.started(run)
        words = [*run.words(self.app.name, self.config), "--json", "--no-live"]
        answer = await self.ask(
            [*words, "--artifacts", str(folder), "--until-stdin-closes"],
            bound_s=BOUND_FACTOR * run.expected_s + BOUND_S,
            on_line=lambda text: self.view.said(run, text),
        )
        result = self._read(run, answer, folder)
        if result.met is not Met.HARNESS:
            self.evidence.keep(run, answer, folder)
        self.view.finished(run, shown(run, result), earlier=False)
        return answer, folder

    def _read(self, run: Planned, answer: Answer, folder: Path) -> Result:
        """The result of a run, with what its trace adds."""
        result = self._result(run, answer)
        if run.target or run.role is Role.CONTROL:
            return result
        result, trace = started_before(result, run), _trace(folder)
        known = find(run.incident)
        return read_result(result, trace, idle=known.idle if known else "") if trace else result

    def _result(self, run: Planned, answer: Answer) -> Result:
        return result_of(run, answer.document, require=self.require, took_s=answer.took_s)


def _does_not_work(control: Result, trace: Trace | None) -> str:
    """Why no fault is worth trying; "" if the app worked in its control."""
    works = control.outcome is not None and control.met not in {Met.HARNESS, Met.NEVER_STARTED}
    return "" if works and _failure(trace) is None else control.why


def _failure(trace: Trace | None) -> Event | None:
    """How the app failed in its control life, before any fault."""
    failed = [e for e in trace.control if e.kind == "control.failed"] if trace else []
    return next(iter(failed), None)


def _with_lines(answer: Answer, trace: Trace | None) -> Answer:
    """The answer of a control, with the last lines of the life that failed."""
    failed = _failure(trace)
    lines = listing(failed.data.get("lines")) if failed else []
    return replace(answer, document={**answer.document, "last_lines": lines}) if lines else answer


def _start_s(trace: Trace | None) -> float:
    """How long the app took to start without a fault, in wall seconds."""
    ends = [e for e in trace.control if e.kind == "control.ended"] if trace else []
    found = [number(e.data.get("start_s")) for e in ends]
    return next((each for each in found if each is not None), START_S)


def _trace(folder: Path) -> Trace | None:
    """The trace of a run; None if it left none that can be read."""
    try:
        return read_trace(folder)
    except (CrashloopError, OSError):
        return None
