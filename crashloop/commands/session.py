"""A command that runs scenarios: it shows them while they run, and ends tidily on a signal."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from crashloop import interrupt
from crashloop.commands.page import short, step_page
from crashloop.errors import CrashloopError
from crashloop.judge import judge
from crashloop.report.failure import show_failure, show_warning
from crashloop.report.live import LiveView, PlainProgress
from crashloop.report.terminal import Terminal
from crashloop.run import TRACE_FILE, VERDICT_FILE, Run, write_evidence, write_run_page
from crashloop.trace.reader import read_trace

if TYPE_CHECKING:
    import signal
    from collections.abc import Coroutine, Iterator
    from pathlib import Path
    from typing import Any

    from crashloop.model import Scenario
    from crashloop.options import RunOptions
    from crashloop.trace.event import Event

T = TypeVar("T")


class Session:
    """Runs scenarios by `options`, which show each event. `terminal` is standard output."""

    def __init__(self, options: RunOptions, *, as_json: bool, no_live: bool) -> None:
        assert options.artifacts is not None
        self.options = replace(options, on_event=self._on_event)
        self.terminal = Terminal(sys.stdout)
        self._artifacts = options.artifacts
        self._as_json = as_json
        self._is_live = self.terminal.is_live and not no_live and not as_json
        self._view: LiveView | PlainProgress | None = None
        self._scenario: Scenario | None = None

    @contextlib.contextmanager
    def view(self, scenario: Scenario) -> Iterator[None]:
        """Show the scenario while it runs: live on a terminal, else line by line."""
        scale = self.options.scale.factor
        header = {
            "scenario": scenario.to_json(),
            "seed": self.options.seed,
            "time_scale": scale,
            "engine": {"name": self.options.engine.name},
        }
        view: LiveView | PlainProgress
        if self._is_live:
            view = LiveView(header, self.terminal)
        else:
            width = Terminal(sys.stderr).width if sys.stderr.isatty() else 0
            view = PlainProgress(
                scale=scale, stream=sys.stderr, width=width, replicas=scenario.replicas.count
            )
        self._scenario = scenario
        with view:
            self._view = view
            try:
                yield
            finally:
                self._view = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end; SystemExit with 128 + n when signal n ended it."""
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
        if next(self._artifacts.rglob(TRACE_FILE), None) is not None:
            where = f"the evidence up to here is in {short(self._artifacts)}"
        message = f"interrupted by {number.name}; {where}{more}"
        return show_failure(message, hint="", exit_status=exit_status, as_json=self._as_json)

    def _abandon(self, number: signal.Signals, exit_status: int) -> None:
        """Say where the evidence is and judge it, when there is no time left to end tidily."""
        self.terminal.console.show_cursor()
        more = "; a watcher ends what is still running"
        self._say_interrupted(number, exit_status=exit_status, more=more)
        with contextlib.suppress(CrashloopError, OSError):
            self._judge_unfinished()

    def _folder(self, scenario: Scenario) -> Path:
        """Where the evidence of the run is: a proof has a folder for each of its runs."""
        folder = self._artifacts / str(scenario.role)
        return folder if folder.is_dir() else self._artifacts

    def _show_unfinished(self) -> None:
        """Replace the live view by what was seen of the run and its verdict, and write its page."""
        if self._scenario is None or self._as_json:
            return
        with contextlib.suppress(CrashloopError, OSError):  # no trace yet, or the terminal is gone
            folder = self._folder(self._scenario)
            trace = read_trace(folder)
            judgement = judge(trace)
            self.terminal.show(step_page(trace, judgement, self.terminal))
            show_warning(write_run_page(folder, trace, judgement))

    def _judge_unfinished(self) -> None:
        """Write the verdict on an unfinished trace: INCONCLUSIVE."""
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
            seed=self.options.seed,
            command=str(trace.header.get("command", "")),
        )
        write_evidence(run)
