"""The runs of a pytest session: a record of each, a page and a text of all. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.plural import counted, listed
from crashloop.report.markdown import markdown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_RUNS = 2000
MAX_LISTED = 200
_SIGNS = {"passed": "✅", "failed": "❌", "skipped": "⏭️"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRun:
    """One run of a test. `ended` is how the test did; `outcome` is that of the user's own app."""

    test: str
    ended: str
    name: str
    verdict: str
    outcome: str
    trace: str
    command: str


def runs_in(
    properties: Sequence[tuple[str, object]], *, test: str, ended: str
) -> Iterator[SessionRun]:
    """The runs that a test's properties tell of, in their order; each ends with its command."""
    found: dict[str, str] = {}
    for name, value in properties:
        if name.startswith("crashloop_"):
            found[name.removeprefix("crashloop_")] = str(value)
        if name == "crashloop_command":
            yield _run(found, test, ended)
            found = {}


def _run(found: Mapping[str, str], test: str, ended: str) -> SessionRun:
    trace = found.get("trace", "")
    return SessionRun(
        test=test,
        ended=ended,
        name=trace.split("/")[-2] if trace.count("/") > 1 else trace,
        verdict=found.get("verdict", ""),
        outcome=found.get("outcome", ""),
        trace=trace,
        command=found["command"],
    )


def session_words(runs: Sequence[SessionRun]) -> str:
    """`12 runs of 9 tests: 7 REPRODUCED, 5 NOT_REPRODUCED`."""
    verdicts = Counter(run.verdict for run in runs).most_common()
    tests = counted(len({run.test for run in runs}), "test")
    said = listed([f"{count} {verdict}" for verdict, count in verdicts])
    return f"{counted(len(runs), 'run')} of {tests}: {said}"


def session_text(runs: Sequence[SessionRun]) -> str:
    """The runs in Markdown, for the summary of a GitHub job: 200 at most, failed tests first."""
    rows = sorted(runs, key=lambda run: run.ended != "failed")
    lines = ["### crashloop in pytest", "", f"{markdown(session_words(runs))}", ""]
    lines += ["| | test | run | verdict | outcome |", "|---|---|---|---|---|"]
    for run in rows[:MAX_LISTED]:
        cells = [run.test, run.name, run.verdict, run.outcome]
        sign = _SIGNS.get(run.ended, "⚠️")
        lines.append(f"| {' | '.join([sign, *map(markdown, cells)])} |")
    if len(rows) > MAX_LISTED:
        lines += ["", f"{counted(len(rows) - MAX_LISTED, 'more run')} not listed"]
    return "\n".join(lines) + "\n"
