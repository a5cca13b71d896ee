"""`crashloop check`: the whole library of outages against the user's own app."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from crashloop import interrupt
from crashloop.commands.check_files import html_of, write_file
from crashloop.commands.check_order import (
    CheckOrder,
    accepted_by,
    again,
    app_of,
    evidence_for,
    required_of,
    stricter,
)
from crashloop.commands.elsewhere import show_left_out
from crashloop.commands.folder import claimed
from crashloop.commands.options import read_params
from crashloop.commands.page import short
from crashloop.ending import first_failure
from crashloop.errors import HarnessError, UsageError
from crashloop.incidents import ELSEWHERE, library
from crashloop.plural import counted
from crashloop.report.document import write_document
from crashloop.report.failure import show_failure, show_warning
from crashloop.report.job_summary import append_summary
from crashloop.report.lines import paragraph
from crashloop.report.terminal import Terminal
from crashloop.run import REPORT_FILE, write_page
from crashloop.survey.baseline import baseline_text, compared, read_baseline
from crashloop.survey.execution import Check, Found
from crashloop.survey.junit import junit_text
from crashloop.survey.page import check_page, plan_document, plan_page, rows
from crashloop.survey.plan import control_of, grouped, plan_dependencies, plan_incidents
from crashloop.survey.progress import Progress
from crashloop.survey.result import exit_status
from crashloop.survey.summary import summary_text
from crashloop.survey.view import LiveRuns, PlainView

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator, Sequence

    from crashloop.model import AppUnderTest, Outcome
    from crashloop.report.lines import Line
    from crashloop.survey.baseline import Accepted
    from crashloop.survey.evidence import Evidence
    from crashloop.survey.plan import Planned

# A child has 6 s to end.
TIDY_BOUND_S = 8.0


def check(order: CheckOrder) -> int:
    """Check the app and show what was found; return the exit status.

    0 met, 10 not met, 11 inconclusive, 12 the harness broke, 13 the app does not start without a
    fault, 2 an incident from elsewhere cannot be used; the worst counts, in the order 13, 12, 10,
    11, 2. UsageError before anything starts.
    """
    require, app = required_of(order), app_of(order)
    accepted = accepted_by(order, app)
    ELSEWHERE.use(order.folder)
    left_out = ELSEWHERE.in_folder.left_out if order.incidents else library().left_out
    incomplete = UsageError.exit_status if left_out and not order.incidents else 0
    params, remedy = read_params(order.params), order.remedy
    incidents = plan_incidents(app, order.incidents, params, order, remedy=remedy)
    evidence = evidence_for(order, app)
    show_left_out(left_out)
    if order.dry_run:
        _show_plan(order, app, incidents)
        return incomplete
    with claimed(order.artifacts, noun="check"):
        found = _Running(order, app, evidence).run(require, incidents)
    unwritten: list[HarnessError] = []
    with _kept(unwritten):
        accepted = _updated(order, app, found, accepted)
    results = tuple(compared(each, accepted) for each in found.results)
    found = replace(found, results=results)
    shown = exit_status(found.results, found.broken)
    status = shown or incomplete
    _show_found(order, app, found, evidence, require=require, shown=shown, status=status)
    if incomplete and not order.as_json:
        says = f"{counted(len(left_out), 'incident')} left out, which cannot be used: see above"
        terminal = Terminal(sys.stdout)
        terminal.show(paragraph(says, width=terminal.width))
    with _kept(unwritten):
        if order.junit:
            write_file(order.junit, junit_text(found.results, app=app.name), "--junit")
    text = partial(summary_text, found.results, found.needs, app=app.name)
    status = append_summary(order.summary, text) or status
    for error in unwritten:  # on standard error only: the results are the one document
        status = show_failure(
            error.message, hint=error.hint, exit_status=error.exit_status, as_json=False
        )
    return status


def _show_found(
    order: CheckOrder,
    app: AppUnderTest,
    found: Found,
    evidence: Evidence,
    *,
    require: Outcome,
    shown: int,
    status: int,
) -> None:
    """Write the page, and show what was found with its name.

    `shown` is the exit status that the results alone have.
    """
    title = f"{app.name}, with the remedy {order.remedy}" if order.remedy else app.name
    no_page = write_page(
        evidence.folder,
        lambda: html_of(order, app, found, evidence, title=title, require=require, status=shown),
    )
    page = None if no_page else evidence.folder / REPORT_FILE
    if order.as_json:
        document = _document(app, found, status, evidence, remedy=order.remedy)
        write_document({**document, "page": page and str(page)})
    else:
        terminal = Terminal(sys.stdout)
        terminal.show(
            check_page(
                found,
                title=title,
                require=require,
                status=shown,
                folder=short(evidence.folder),
                page=short(page) if page else "",
                update=stricter(order, app),
                width=terminal.width,
            )
        )
        terminal.show(_broken_lines(found, width=terminal.width))
    show_warning(no_page)


def _show_plan(order: CheckOrder, app: AppUnderTest, incidents: Sequence[Planned]) -> None:
    """Show what would run."""
    absent = [] if order.incidents else plan_dependencies(app, order, remedy=order.remedy)
    runs = [*incidents, *absent]
    groups, control = grouped(runs), control_of(runs)
    if order.as_json:
        write_document(plan_document(groups, incidents, control, app=app.name))
        return
    terminal = Terminal(sys.stdout)
    terminal.show(plan_page(groups, incidents, control, order.at_once, width=terminal.width))


class _Running:
    """The check while it runs: its view, and its end by a signal."""

    def __init__(self, order: CheckOrder, app: AppUnderTest, evidence: Evidence) -> None:
        self._order, self._app, self._evidence = order, app, evidence
        self._terminal = Terminal(sys.stdout)
        self._so_far: Callable[[], Found]

    def run(self, require: Outcome, incidents: Sequence[Planned]) -> Found:
        """Run it to its end; SystemExit with 128 + n when signal n ended it."""
        order = self._order
        view = self._view()
        check = Check(
            app=self._app,
            config=str(order.config or ""),
            machine=order,
            require=require,
            evidence=self._evidence,
            view=view,
            at_once=order.at_once,
            with_dependencies=not order.incidents,
            remedy=order.remedy,
        )
        self._so_far = partial(check.so_far, incidents)
        try:
            with view:
                return interrupt.run(
                    check.run(incidents), on_abandon=self._say, bound_s=TIDY_BOUND_S
                )
        except interrupt.Interrupted as end:
            if not order.as_json:
                self._terminal.show(rows(self._so_far(), width=self._terminal.width))
            self._say(end.signal, end.exit_status)
            raise SystemExit(end.exit_status) from None
        except BaseExceptionGroup as group:
            raise first_failure(group) from None

    def _view(self) -> PlainView | LiveRuns:
        """Live on a terminal, else lines on standard error."""
        progress = Progress(at_once=self._order.at_once)
        is_live = self._terminal.is_live and not self._order.no_live
        if is_live and not self._order.as_json:
            return LiveRuns(progress, self._terminal)
        return PlainView(progress, sys.stderr)

    def _say(self, number: signal.Signals, exit_status: int) -> None:
        """Say where the evidence is, and how to go on."""
        self._terminal.console.show_cursor()
        folder, finished = short(self._evidence.folder), self._evidence.finished()
        where = f"the evidence of {counted(finished, 'run')} is in {folder}"
        order, found = self._order, self._so_far()
        show_failure(
            f"interrupted by {number.name}; " + (where if finished else "no run had ended"),
            hint=f"go on with: {again(order, self._app, folder)}" if finished else "",
            exit_status=exit_status,
            as_json=order.as_json,
            so_far=_document(self._app, found, exit_status, self._evidence, remedy=order.remedy),
        )


@contextlib.contextmanager
def _kept(errors: list[HarnessError]) -> Iterator[None]:
    """Keep the error of a file that cannot be written until the results have been shown."""
    try:
        yield
    except HarnessError as error:
        errors.append(error)


def _updated(
    order: CheckOrder, app: AppUnderTest, found: Found, accepted: dict[str, Accepted]
) -> dict[str, Accepted]:
    """What the baseline accepts; first it is updated, if that was asked for."""
    if not order.update or order.baseline is None or found.stopped:
        return accepted
    text = baseline_text(found.results, app=app.name, before=accepted)
    write_file(order.baseline, text, "--baseline")
    return read_baseline(text, file=str(order.baseline), app=app.name)


def _broken_lines(found: Found, *, width: int) -> Iterator[Line]:
    """Which runs without a dependency broke, so that their need is not known."""
    for name, why in found.broken.items():
        yield from paragraph(f"the harness broke in {name}: {why}", width=width)


def _document(
    app: AppUnderTest, found: Found, status: int, evidence: Evidence, *, remedy: str
) -> dict[str, Any]:
    return {
        "app": app.name,
        "remedy": remedy,
        "results": [each.to_json() for each in found.results],
        "dependencies": [each.to_json() for each in found.needs],
        "ok": status == 0,
        "control": found.control.to_json() if found.control else None,
        "stopped": found.stopped,
        "exit_status": status,
        "artifacts": str(evidence.folder),
    }
