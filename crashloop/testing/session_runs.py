"""The runs of a pytest session, collected from its reports, and shown when it ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from crashloop.report.session import SessionRun


class SessionRuns:
    """A plugin of the process that reports: it writes a page, and appends to a job's summary.

    `folder` is where all evidence is kept; None if it is not, and then there is no page. Under
    xdist the runs come from the workers' reports.
    """

    def __init__(self, folder: Path | None, facts: Sequence[str]) -> None:
        self._folder, self._facts = folder, facts
        self._ended: dict[str, str] = {}
        self._properties: dict[str, list[tuple[str, object]]] = {}
        self._said = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a report: the last one of a test has all of its properties."""
        if report.when == "call" or report.outcome != "passed":
            self._ended[report.nodeid] = report.outcome
        if report.when == "teardown" and _tells_of_a_run(report):
            self._properties[report.nodeid] = report.user_properties

    def pytest_sessionfinish(self) -> None:
        """Write what there is to write; a session without a run writes nothing."""
        if not self._properties:
            return
        from crashloop.report.job_summary import append_summary  # noqa: PLC0415  heavy
        from crashloop.report.session import runs_in, session_text  # noqa: PLC0415  likewise

        runs = [
            run
            for test, properties in self._properties.items()
            for run in runs_in(properties, test=test, ended=self._ended.get(test, "passed"))
        ]
        append_summary(None, lambda: session_text(runs))
        if self._folder is not None:
            self._said = self._page(self._folder, runs)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name the page."""
        if self._said:
            terminalreporter.write_line(f"crashloop: {self._said}")

    def _page(self, folder: Path, runs: Sequence[SessionRun]) -> str:
        """Write the page; where it is, or why it is not."""
        from crashloop.run import REPORT_FILE, page_beside, write_page  # noqa: PLC0415  heavy

        def make() -> str:
            from crashloop.report.page.session import session_html  # noqa: PLC0415  likewise

            pages = {run.trace: page_beside(folder, Path(run.trace).parent) for run in runs}
            return session_html(runs, pages, facts=self._facts)

        return write_page(folder, make) or f"the page of all runs is {folder / REPORT_FILE}"


def _tells_of_a_run(report: pytest.TestReport) -> bool:
    return any(name == "crashloop_command" for name, _ in report.user_properties)
