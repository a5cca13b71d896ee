"""`crashloop matrix`: every signature against the traces of all incidents and faults."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from crashloop import interrupt
from crashloop.apps import sample_app
from crashloop.commands.elsewhere import show_left_out
from crashloop.commands.folder import claimed, require_folder
from crashloop.commands.local_runs import LocalRuns
from crashloop.commands.page import short
from crashloop.ending import first_failure
from crashloop.errors import HarnessError, UsageError
from crashloop.incidents import ELSEWHERE
from crashloop.incidents import library as incidents
from crashloop.matrix.execution import Matrix
from crashloop.matrix.library import library
from crashloop.matrix.page import page, summary_text
from crashloop.matrix.stored import stored
from crashloop.matrix.table import matrix_page, plan_page, rows
from crashloop.plural import counted
from crashloop.preflight.capacity import processors
from crashloop.report.document import document_text, write_document, write_page
from crashloop.report.failure import show_failure
from crashloop.report.job_summary import append_summary, require_appendable
from crashloop.report.terminal import Terminal
from crashloop.run import artifacts_folder, write_whole
from crashloop.survey.evidence import Evidence
from crashloop.survey.plan import plan_sample
from crashloop.survey.progress import Progress
from crashloop.survey.view import LiveRuns, PlainView

if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from crashloop.matrix.library import Library
    from crashloop.matrix.result import Found
    from crashloop.matrix.stored import Stored
    from crashloop.survey.plan import Planned

MATRIX_FILE = "matrix.json"
# A child has 6 s to end.
TIDY_BOUND_S = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixOrder(LocalRuns):
    """The command line's options."""

    names: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    folder: Path | None = None
    traces: tuple[Path, ...] = ()
    artifacts: Path | None = None
    resume: bool = False
    dry_run: bool = False
    as_json: bool = False
    summary: Path | None = None
    as_markdown: bool = False
    no_live: bool = False


def matrix(order: MatrixOrder) -> int:
    """Make and judge the traces, and show what was found; return the exit status.

    0 as expected, 10 a false match or a missing diagonal, 11 a missing trace, 2 an incident from
    elsewhere cannot be used, if nothing else is wrong. UsageError before anything starts.
    """
    _require_possible(order)
    require_appendable(order.summary)
    evidence = _evidence(order)
    ELSEWHERE.use(order.folder)
    known = library(order.names, order.against)
    left_out = incidents().left_out
    incomplete = UsageError.exit_status if left_out else 0
    show_left_out(left_out)
    folders = [*order.traces, *([evidence.folder] if evidence and order.resume else [])]
    there = stored(folders)
    runs = plan_sample(known.traces, order)
    if order.dry_run:
        _show_plan(order, runs, there.traces)
        return incomplete
    with claimed(order.artifacts, noun="matrix"):
        return _Running(order, known, runs, there, evidence, incomplete=incomplete).run()


class _Running:
    """The matrix while it runs: its view, its end, and what is shown of it.

    `incomplete` is the exit status where nothing else is wrong.
    """

    def __init__(
        self,
        order: MatrixOrder,
        known: Library,
        runs: Sequence[Planned],
        there: Stored,
        evidence: Evidence | None,
        *,
        incomplete: int,
    ) -> None:
        self._order, self._evidence, self._incomplete = order, evidence, incomplete
        self._terminal = Terminal(sys.stdout)
        self._view = self._make_view()
        self._matrix = Matrix(
            library=known,
            runs=runs,
            stored=there,
            evidence=evidence,
            view=self._view,
            at_once=_at_once(order),
        )

    def run(self) -> int:
        """Run it to its end; SystemExit with 128 + n when signal n ended it."""
        try:
            with self._view:
                interrupt.run(self._matrix.run(), on_abandon=self._say, bound_s=TIDY_BOUND_S)
        except interrupt.Interrupted as end:
            if self._prints_lines:
                width = self._terminal.width
                self._terminal.show(rows(self._matrix.so_far(), width=width))
            self._say(end.signal, end.exit_status)
            raise SystemExit(end.exit_status) from None
        except BaseExceptionGroup as group:
            raise first_failure(group) from None
        return self._show(self._matrix.so_far())

    def _show(self, found: Found) -> int:
        """Show what was found, and keep it beside the traces; the exit status."""
        exit_status = found.exit_status or self._incomplete
        document = {**self._document(found), "exit_status": exit_status}
        if self._order.as_json:
            write_document(document)
        elif self._order.as_markdown:
            write_page(page(found))
        else:
            folder = short(self._evidence.folder) if self._evidence else ""
            self._terminal.show(matrix_page(found, folder=folder, width=self._terminal.width))
        status = self._keep(document) if self._evidence else 0
        status = append_summary(self._order.summary, partial(summary_text, found)) or status
        return status or exit_status

    def _keep(self, document: Mapping[str, Any]) -> int:
        """Write the document beside the traces; the exit status, 0 if it is written."""
        assert self._evidence is not None
        file = self._evidence.folder / MATRIX_FILE
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, document_text(document))
        except OSError as error:  # on standard error only: what was printed is the one document
            return show_failure(
                f"{file} cannot be written: {error.strerror}",
                hint="free some room on that disk",
                exit_status=HarnessError.exit_status,
                as_json=False,
            )
        return 0

    def _document(self, found: Found) -> dict[str, Any]:
        folder = str(self._evidence.folder) if self._evidence else None
        return {**found.to_json(), "artifacts": folder}

    @property
    def _prints_lines(self) -> bool:
        return not (self._order.as_json or self._order.as_markdown)

    def _make_view(self) -> PlainView | LiveRuns:
        """Live on a terminal, else lines on standard error."""
        progress = Progress(at_once=lambda _: _at_once(self._order))
        is_live = self._terminal.is_live and not self._order.no_live
        if is_live and self._prints_lines:
            return LiveRuns(progress, self._terminal)
        return PlainView(progress, sys.stderr, earlier="by a stored trace")

    def _say(self, number: signal.Signals, exit_status: int) -> None:
        """Say where the traces are, and how to go on."""
        self._terminal.console.show_cursor()
        found, hint = self._matrix.so_far(), ""
        traces = len(found.columns)
        where = f"{counted(traces, 'trace')} had been judged"
        if self._evidence is not None and traces:
            folder = short(self._evidence.folder)
            where += f"; the new ones are in {folder}"
            hint = f"go on with: {_again(self._order, folder)}"
        show_failure(
            f"interrupted by {number.name}; {where}",
            hint=hint,
            exit_status=exit_status,
            as_json=self._order.as_json,
            so_far=self._document(found),
        )


def _require_possible(order: MatrixOrder) -> None:
    """UsageError for options that contradict each other."""
    if order.as_json and order.as_markdown:
        raise UsageError("--json and --markdown exclude each other", hint="give one of them")
    if order.resume and order.artifacts is None:
        raise UsageError(
            "--resume was given without --artifacts",
            hint="name the folder of the matrix to go on with: --artifacts DIR --resume",
        )
    if order.traces and order.artifacts is not None:
        raise UsageError(
            "--traces makes no trace, so there is nothing to write into --artifacts",
            hint="to make what is missing in a folder: --artifacts DIR --resume",
        )
    for folder in order.traces:
        if not folder.is_dir():
            raise UsageError(
                f"--traces {folder} is no folder",
                hint="name the folder of an earlier matrix, or of any runs",
            )


def _evidence(order: MatrixOrder) -> Evidence | None:
    """Where new traces go; None if none is made. UsageError for a folder that is in use."""
    if order.traces:
        return None
    folder = (order.artifacts or artifacts_folder("matrix")).absolute()
    require_folder(folder)
    evidence = Evidence(folder, sample_app())
    if evidence.is_used() and not order.resume:
        raise UsageError(
            f"--artifacts {order.artifacts} already has the traces of another matrix",
            hint="go on with it: --resume; judge them alone: --traces; or name a new folder",
        )
    return evidence


def _at_once(order: MatrixOrder) -> int:
    """One run a processor, whatever its time scale: the few in real time wait beside the others."""
    return order.jobs or processors()


def _again(order: MatrixOrder, folder: str) -> str:
    """The command that goes on where this one has ended."""
    words = ["crashloop", "matrix", *order.names]
    words += ["--incidents", str(order.folder)] if order.folder else []
    for name in order.against:
        words += ["--against", name]
    words += ["--summary", str(order.summary)] if order.summary else []
    words += ["--json"] if order.as_json else []
    words += ["--markdown"] if order.as_markdown else []
    return shlex.join([*words, "--artifacts", folder, "--resume"])


def _show_plan(
    order: MatrixOrder, runs: Sequence[Planned], there: Mapping[str, Sequence[Path]]
) -> None:
    """Show what would run."""
    make = [run for run in runs if run.incident not in there and not order.traces]
    if order.as_json:
        write_document(
            {
                "runs": [
                    {
                        "name": run.incident,
                        "time_scale": run.scale,
                        "expected_s": round(run.expected_s, 1),
                    }
                    for run in make
                    if not run.why
                ],
                "stored": [run.incident for run in runs if run.incident in there],
                "cannot_run": {run.incident: run.why for run in make if run.why},
            }
        )
        return
    terminal = Terminal(sys.stdout)
    kept = [run for run in runs if run.incident in there]
    lines = plan_page([*kept, *make], there, at_once=_at_once(order), width=terminal.width)
    terminal.show(lines)
