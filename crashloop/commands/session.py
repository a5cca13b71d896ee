"""One order on its way: shown while it goes on, ended tidily by a signal."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, TypeVar

from crashloop.commands import interrupt
from crashloop.commands.page import step_page
from crashloop.commands.place import short
from crashloop.errors import CrashloopError
from crashloop.judge import judge
from crashloop.lab import RunOptions
from crashloop.report.failure import show_failure
from crashloop.report.live import LiveView, PlainProgress
from crashloop.report.terminal import Terminal
from crashloop.run import TRACE_FILE, VERDICT_FILE, Run, write_evidence
from crashloop.trace.reader import read_trace

if TYPE_CHECKING:
    import signal
    from collections.abc import Coroutine, Iterator
    from pathlib import Path
    from typing import Any

    from crashloop.commands.order import Plan
    from crashloop.model import Scenario
    from crashloop.trace.event import Event

T = TypeVar("T")


class Session:
    """Runs what a plan says. `terminal` is standard output."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.terminal = Terminal(sys.stdout)
        self._view: LiveView | PlainProgress | None = None
        self._scenario: Scenario | None = None

    def options(self, command: str = "") -> RunOptions:
        """How to run it; `command` makes the same run again (empty: the lab's own words)."""
        plan = self.plan
        return RunOptions(
            scale=plan.scale,
            seed=plan.seed,
            artifacts=plan.artifacts,
            postgres_bin=plan.order.postgres_bin,
            command=command,
            on_event=self._on_event,
            engine=plan.engine,
        )

    @contextlib.contextmanager
    def view(self, scenario: Scenario) -> Iterator[None]:
        """Show `scenario`'s run while it goes on: live on a terminal, else line by line."""
        plan, order = self.plan, self.plan.order
        header = {
            "scenario": scenario.to_json(),
            "seed": plan.seed,
            "time_scale": plan.scale.factor,
            "engine": {"name": plan.engine.name},
        }
        view: LiveView | PlainProgress
        if self.terminal.is_live and not order.no_live and not order.as_json:
            view = LiveView(header, self.terminal)
        else:
            width = Terminal(sys.stderr).width if sys.stderr.isatty() else 0
            view = PlainProgress(scale=plan.scale.factor, stream=sys.stderr, width=width)
        self._scenario = scenario
        with view:
            self._view = view
            try:
                yield
            finally:
                self._view = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end; SystemExit with 128 + n when signal n ended it, told in a line."""
        try:
            return interrupt.run(work, on_abandon=self._abandon)
        except interrupt.Interrupted as end:
            self._show_unfinished()
            status = self._say_interrupted(end.signal, exit_status=end.exit_status)
            raise SystemExit(status) from None

    def _on_event(self, event: Event) -> None:
        if self._view is not None:
            self._view.on_event(event)

    def _say_interrupted(self, number: signal.Signals, *, exit_status: int, more: str = "") -> int:
        where = "before there was any evidence"
        if next(self.plan.artifacts.rglob(TRACE_FILE), None) is not None:
            where = f"the evidence up to here is in {short(self.plan.artifacts)}"
        message = f"interrupted by {number.name}; {where}{more}"
        as_json = self.plan.order.as_json
        return show_failure(message, hint="", exit_status=exit_status, as_json=as_json)

    def _abandon(self, number: signal.Signals, exit_status: int) -> None:
        """Say where the evidence is and judge it, when there is no time left to end tidily."""
        self.terminal.console.show_cursor()
        more = "; what still runs is ended by its watcher"
        self._say_interrupted(number, exit_status=exit_status, more=more)
        with contextlib.suppress(CrashloopError, OSError):
            self._judge_unfinished()

    def _folder(self, scenario: Scenario) -> Path:
        """Where the evidence of the run is: a proof has a folder for each of its runs."""
        folder = self.plan.artifacts / str(scenario.role)
        return folder if folder.is_dir() else self.plan.artifacts

    def _show_unfinished(self) -> None:
        """Show what was seen of the run and its verdict, in place of the live view."""
        if self._scenario is None or self.plan.order.as_json:
            return
        with contextlib.suppress(CrashloopError, OSError):  # no trace yet, or no terminal any more
            trace = read_trace(self._folder(self._scenario))
            self.terminal.show(step_page(trace, judge(trace), self.terminal))

    def _judge_unfinished(self) -> None:
        """Write the verdict on a trace that never came to its end: INCONCLUSIVE."""
        if self._scenario is None:
            return
        folder = self._folder(self._scenario)
        if (folder / VERDICT_FILE).exists():
            return
        trace = read_trace(folder)
        run = Run(
            scenario=self._scenario,
            trace=trace,
            judgement=judge(trace),
            artifacts=folder,
            seed=self.plan.seed,
            command=str(trace.header.get("command", "")),
        )
        write_evidence(run)
