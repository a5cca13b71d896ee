"""The matrix from its runs to its cells: stored traces are taken, the others are made.

Each trace is judged as soon as it is there.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crashloop.errors import CapabilityError, CrashloopError, UsageError
from crashloop.matrix.cell import Column, column, why_not_whole
from crashloop.matrix.result import Found
from crashloop.matrix.stored import is_run_of
from crashloop.model import Verdict
from crashloop.report.clean import clean
from crashloop.report.lines import Tone
from crashloop.run import TRACE_FILE
from crashloop.survey.children import ask
from crashloop.survey.execution import BOUND_FACTOR, BOUND_S
from crashloop.survey.shown import Shown
from crashloop.trace.reader import read_trace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from crashloop.matrix.library import Library
    from crashloop.matrix.stored import Stored
    from crashloop.survey.children import Answer
    from crashloop.survey.evidence import Evidence
    from crashloop.survey.execution import View
    from crashloop.survey.plan import Planned

MAX_WHY = 500
_TONES = {Verdict.REPRODUCED: Tone.GOOD, Verdict.HARNESS_ERROR: Tone.BAD}
_REFUSED = {UsageError.exit_status, CapabilityError.exit_status}


@dataclass(slots=True, kw_only=True)
class Matrix:
    """The matrix of `library`, from `stored` traces by name and from `runs`, `at_once` of them.

    New traces are made in `evidence`; None: none is made.
    """

    library: Library
    runs: Sequence[Planned]
    stored: Stored
    evidence: Evidence | None
    view: View
    at_once: int
    ask: Callable[..., Awaitable[Answer]] = ask
    clock: Callable[[], float] = time.monotonic
    _columns: dict[str, Column] = field(default_factory=dict)
    _absent: dict[str, str] = field(default_factory=dict)
    _unusable: dict[str, str] = field(default_factory=dict)
    _again: list[str] = field(default_factory=list)
    _began_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._began_s = self.clock()

    async def run(self) -> None:
        """Judge what is stored, then make and judge the rest, the longest first.

        A run that does not show what it was made for is made once more, alone: the others may have
        kept the machine too busy for it.
        """
        self.view.planned([run for run in self.runs if self._can_be_made(run)])
        left = [run for run in self.runs if not await self._take(run)]
        make = [run for run in left if self._can_be_made(run)]
        self._absent |= {
            run.incident: run.why or self._why_none(run) for run in left if run not in make
        }
        permits = asyncio.Semaphore(self.at_once)
        again: list[Planned] = []

        async def one(run: Planned) -> None:
            async with permits:
                if await self._make(run):
                    again.append(run)

        async with asyncio.TaskGroup() as tasks:
            for run in sorted(make, key=lambda each: -each.expected_s):
                tasks.create_task(one(run))
        for run in again:
            self._again.append(run.incident)
            await self._make(run)

    def so_far(self) -> Found:
        """What the traces show that there are."""
        return Found(
            library=self.library,
            columns=tuple(
                self._columns[name] for name in self.library.traces if name in self._columns
            ),
            absent=dict(self._absent),
            again=tuple(self._again),
            unusable={**self.stored.unusable, **self._unusable},
            wall_s=self.clock() - self._began_s,
        )

    def _can_be_made(self, run: Planned) -> bool:
        return self.evidence is not None and not run.why

    def _why_none(self, run: Planned) -> str:
        """Why no stored trace of it counts: what is wrong with the newest, if there is one."""
        paths = map(str, self.stored.traces.get(run.incident, ()))
        unusable = [self._unusable[path] for path in paths if path in self._unusable]
        return (*unusable, "there is no trace of it as it would be made today")[0]

    async def _take(self, run: Planned) -> bool:
        """Take the newest stored trace that shows what it was made for.

        Where none is made, one that does not show it counts, too.
        """
        found = []
        for path in self.stored.traces.get(run.incident, ()):
            judged = await asyncio.to_thread(self._column, run.incident, path)
            if judged is not None:
                found.append(judged)
            if judged is not None and judged.is_shown:
                break
        shown = [each for each in found if each.is_shown]
        kept = shown or ([] if self._can_be_made(run) else found)
        if kept:
            self._columns[run.incident] = kept[0]
            self.view.finished(run, _shown(kept[0]), earlier=True)
        return bool(kept)

    async def _make(self, run: Planned) -> bool:
        """Make and judge a trace; whether it is to be made again."""
        assert self.evidence is not None
        folder, name = self.evidence.free(run), run.incident
        self.view.started(run)
        words = [*run.words(), "--json", "--no-live", "--until-stdin-closes"]
        answer = await self.ask(
            [*words, "--artifacts", str(folder)],
            bound_s=BOUND_FACTOR * run.expected_s + BOUND_S,
            on_line=lambda text: self.view.said(run, text),
        )
        judged = await asyncio.to_thread(self._column, name, folder / TRACE_FILE)
        document = answer.document
        was_refused = "error" in document and document.get("exit_status") in _REFUSED
        if judged is None or was_refused:
            left = self._unusable.pop(str(folder / TRACE_FILE), "it left no trace of its own")
            why = clean(document.get("error") or left, MAX_WHY)
            self._absent[name] = why
            self.view.finished(run, Shown(words="no trace", tone=Tone.BAD, more=why), earlier=False)
            return not was_refused
        self._absent.pop(name, None)
        self._columns[name] = judged
        self.view.finished(run, _shown(judged), earlier=False)
        return not judged.is_shown

    def _column(self, name: str, path: Path) -> Column | None:
        """The column of a trace; None if it is not one of this run, or cannot be used."""
        try:
            trace = read_trace(path)
            if not is_run_of(trace.header, self.library.scenarios[name]):
                return None
            if not (why := why_not_whole(trace)):
                return column(trace, name, self.library, path=str(path))
            self._unusable[str(path)] = f"{path}: {why}"
        except CrashloopError as error:
            self._unusable[str(path)] = error.message
        except (ValueError, TypeError) as error:  # it, or its scale, is none of ours
            self._unusable[str(path)] = f"{path}: {type(error).__name__}: {error}"
        return None


def _shown(column: Column) -> Shown:
    verdict = column.own.verdict
    more = "" if column.is_shown else clean(column.own.reason, MAX_WHY)
    return Shown(words=str(verdict), tone=_TONES.get(verdict, Tone.DOUBT), more=more)
