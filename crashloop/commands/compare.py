"""`crashloop compare`: many runs of each remedy, and what they show."""

from __future__ import annotations

import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from crashloop import interrupt
from crashloop.campaign.comparison import arm_of, exit_status
from crashloop.campaign.criterion import parse_all
from crashloop.campaign.evidence import RESULTS_FILE, Evidence
from crashloop.campaign.execution import Execution
from crashloop.campaign.looks import looks_until
from crashloop.campaign.page import left_out_lines, plan_document, plan_page
from crashloop.campaign.view import LiveComparison, PlainView
from crashloop.commands.compare_order import again, planned, sources
from crashloop.commands.folder import claimed, require_folder
from crashloop.commands.options import own_app
from crashloop.commands.page import short
from crashloop.ending import first_failure
from crashloop.errors import CrashloopError, HarnessError, UsageError
from crashloop.model.comparison import Comparison
from crashloop.options import new_seed
from crashloop.plural import counted, listed
from crashloop.preflight.capacity import processors
from crashloop.profiles import load
from crashloop.report.comparison import comparison_table
from crashloop.report.curves import pictures
from crashloop.report.document import document_text, write_document
from crashloop.report.failure import show_failure, show_warning
from crashloop.report.job_summary import append_summary, require_appendable
from crashloop.report.job_text import comparison_text
from crashloop.report.lines import BLANK, Line, command_lines, paragraph
from crashloop.report.terminal import Terminal
from crashloop.run import REPORT_FILE, artifacts_folder, write_page, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from crashloop.campaign.looks import Look
    from crashloop.commands.compare_order import CompareOrder, Planned
    from crashloop.model.comparison import Criterion

COMPARISON_FILE = "comparison.json"
# A worker has 6 s to end.
TIDY_BOUND_S = 8.0


def compare(order: CompareOrder) -> int:
    """Compare the remedies and show what they show; return the exit status.

    0 some arm meets all criteria, 10 none does, 11 undecided or without an outage. UsageError
    before anything starts.
    """
    require_appendable(order.summary)
    under_test = own_app(order.app, order.config)
    has_journey = under_test is None or bool(under_test.journey.steps)
    criteria = parse_all(order.criteria, has_journey=has_journey)
    looks = looks_until(order.trials)
    if order.resume and order.artifacts is None:
        raise UsageError(
            "--resume was given without --artifacts",
            hint="name the folder of the comparison to go on with: --artifacts DIR --resume",
        )
    folder = (order.artifacts or artifacts_folder(f"compare-{order.incident}")).absolute()
    evidence = Evidence(folder)
    if evidence.is_used and not order.resume:
        raise UsageError(
            f"--artifacts {order.artifacts} already has the results of another comparison",
            hint=evidence.go_on(str(order.artifacts)),
        )
    plan = planned(order, seed=_seed(order, evidence))
    if order.dry_run:
        _show_plan(order, plan, criteria, looks)
        return 0
    require_folder(folder)
    with claimed(order.artifacts, noun="comparison"):
        return _Running(order, plan, evidence, criteria=criteria, looks=looks).run()


def _seed(order: CompareOrder, evidence: Evidence) -> int:
    """The seed that was given, else that of the comparison to go on with, else a new one."""
    if order.seed is not None:
        return order.seed
    if order.resume and "seed" in (header := evidence.header()):
        return int(header["seed"])
    return new_seed()


class _Running:
    """A comparison while it runs: its view, its end, and what is shown of it."""

    def __init__(
        self,
        order: CompareOrder,
        plan: Planned,
        evidence: Evidence,
        *,
        criteria: Sequence[Criterion],
        looks: Sequence[Look],
    ) -> None:
        self._order, self._plan, self._evidence = order, plan, evidence
        self._criteria, self._looks = criteria, looks
        self._terminal = Terminal(sys.stdout)
        campaign = plan.campaign
        self._facts = campaign.facts({name: load(name) for name in campaign.heal_s if name})
        self._digest = campaign.digest(criteria=[str(each) for each in criteria], scale=plan.scale)
        is_live = self._terminal.is_live and not order.no_live and not order.as_json
        self._view = LiveComparison(self._terminal) if is_live else PlainView(sys.stderr)
        self._execution = Execution(
            campaign=campaign,
            criteria=criteria,
            looks=looks,
            scale=plan.scale,
            processors=processors(),
            evidence=evidence,
            earlier=evidence.earlier(self._digest, self._facts),
            view=self._view,
        )
        self._view.shown.execution = self._execution

    def run(self) -> int:
        """Run it to its end; SystemExit with 128 + n when signal n ended it."""
        try:
            return self._run()
        except KeyboardInterrupt:  # while what was found is written and drawn
            end = interrupt.Interrupted(signal.SIGINT)
            self._say(end.signal, end.exit_status)
            raise SystemExit(end.exit_status) from None

    def _run(self) -> int:
        campaign = self._plan.campaign
        says = again(self._order, campaign)
        opened = self._evidence.open(
            digest=self._digest, says=says, seed=campaign.seed, facts=self._facts
        )
        try:
            with opened, self._view:
                interrupt.run(self._execution.run(), on_abandon=self._say, bound_s=TIDY_BOUND_S)
        except interrupt.Interrupted as end:
            if self._execution.trials:
                found, _, kept = self._keep(interrupted=end.exit_status)
                if not self._order.as_json:
                    self._terminal.show(self._page(found, kept))
            self._say(end.signal, end.exit_status)
            raise SystemExit(end.exit_status) from None
        except BaseExceptionGroup as group:
            failure = first_failure(group)
            if isinstance(failure, CrashloopError) and self._execution.trials:
                failure.hint = "; ".join(filter(None, (failure.hint, *self._kept())))
            raise failure from None
        return self._show()

    def _comparison(self) -> Comparison:
        """What the trials that have ended show."""
        execution, campaign = self._execution, self._plan.campaign
        wall_s = execution.wall_s
        arms = [
            arm_of(
                each.tally,
                self._criteria,
                self._looks,
                remedy=each.arm.remedy,
                connector=each.arm.connector,
                time_scale=each.arm.scale,
                scale_note=each.arm.scale_note,
            )
            for each in execution.so_far()
        ]
        return Comparison(
            incident=campaign.incident.name,
            platform=campaign.platform,
            seed=campaign.seed,
            time_scale=max(each.time_scale for each in arms),
            criteria=tuple(self._criteria),
            arms=tuple(arms),
            trials_per_minute=round(60 * execution.trials / wall_s, 2) if wall_s else 0.0,
            wall_s=round(wall_s, 1),
        )

    def _show(self) -> int:
        """Show what was found; the exit status."""
        found, status, kept = self._keep()
        if self._order.as_json:
            write_document(self._document(found, status))
        else:
            self._terminal.show(self._page(found, kept))
        command = again(self._order, self._plan.campaign)
        text = partial(comparison_text, found, command=command)
        return append_summary(self._order.summary, text) or status

    def _keep(self, *, interrupted: int = 0) -> tuple[Comparison, int, list[str]]:
        """Write what was found beside the results; with it, the exit status and the files.

        `interrupted` is the exit status of a comparison that a signal has ended.
        """
        found, folder = self._comparison(), self._evidence.folder
        status, kept = interrupted or exit_status(found), [RESULTS_FILE]
        document = document_text(self._document(found, status))
        try:
            write_whole(folder / COMPARISON_FILE, document)
            kept.append(COMPARISON_FILE)
            drawn = pictures(found, sources=sources(self._plan.campaign))
            for name, content in drawn.items():
                write_whole(folder / name, content)
                kept.append(name)
            kept += self._keep_page(found, drawn)
        except OSError as error:
            message = f"the results cannot be written into {folder}: {error.strerror}"
            hint = "; ".join(("free some room on that disk", *self._kept()))
            status = show_failure(
                message, hint=hint, exit_status=HarnessError.exit_status, as_json=False
            )
        return found, status, kept

    def _keep_page(self, found: Comparison, drawn: Mapping[str, bytes]) -> list[str]:
        """Write the page; its name, if it was written."""
        from crashloop.report.page.comparison import comparison_html  # noqa: PLC0415  when written

        command = again(self._order, self._plan.campaign)
        left_out = self._plan.left_out
        no_page = write_page(
            self._evidence.folder,
            lambda: comparison_html(found, drawn, left_out=left_out, command=command),
        )
        show_warning(no_page)
        return [] if no_page else [REPORT_FILE]

    def _document(self, found: Comparison, status: int) -> dict[str, Any]:
        folder = str(self._evidence.folder)
        return {**found.to_json(), "exit_status": status, "artifacts": folder}

    def _page(self, found: Comparison, files: Sequence[str]) -> Iterator[Line]:
        width, folder = self._terminal.width, short(self._evidence.folder)
        yield from comparison_table(found, width=width, glyphs=self._terminal.glyphs)
        yield BLANK
        yield from left_out_lines(self._plan.left_out, width=width, indent="")
        evidence = f"evidence: {folder}: {listed(files)}, and a trace for each trial"
        yield from paragraph(evidence, width=width, indent="")
        yield from command_lines("again: ", again(self._order, self._plan.campaign), width=width)

    def _say(self, number: signal.Signals, exit_status: int) -> None:
        """Say where the results are, and how to go on."""
        self._terminal.console.show_cursor()
        where, how = self._kept()
        show_failure(
            f"interrupted by {number.name}; {where}",
            hint=how,
            exit_status=exit_status,
            as_json=self._order.as_json,
        )

    def _kept(self) -> tuple[str, str]:
        """Where the results are, and how to go on."""
        folder, trials = short(self._evidence.folder), self._execution.trials
        return (
            f"the results of {counted(trials, 'trial')} are in {folder}",
            f"go on with: {again(self._order, self._plan.campaign, folder=folder)}",
        )


def _show_plan(
    order: CompareOrder, plan: Planned, criteria: Sequence[Criterion], looks: Sequence[Look]
) -> None:
    """Show what would run."""
    if order.as_json:
        write_document(plan_document(plan.campaign, criteria, looks, left_out=plan.left_out))
    else:
        terminal = Terminal(sys.stdout)
        terminal.show(
            plan_page(
                plan.campaign,
                criteria,
                looks,
                left_out=plan.left_out,
                at_once=processors(),
                width=terminal.width,
            )
        )
