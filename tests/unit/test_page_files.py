"""The page of a run as a file: beside its evidence, after its verdict, and never in its way."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from command_line import command_line
from crashloop_traces import reproduction
from html_pages import read_page

from crashloop.clock import TimeScale
from crashloop.commands import reproduce as command
from crashloop.engines.local import LocalEngine
from crashloop.incidents import incident
from crashloop.judge import judge
from crashloop.options import RunOptions
from crashloop.run import Run, write_run_page

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.model import Scenario

TRACE = reproduction()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A folder with the trace of a reproduction and the log of its first attempt."""
    folder = tmp_path / "kept"
    folder.mkdir()
    lines = [TRACE.header, *(event.to_json() for event in TRACE.events)]
    (folder / "trace.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    (folder / "attempt-1.log").touch()
    return folder


@pytest.fixture
def reproduced(kept: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same folder; `crashloop reproduce` is made to end with its run."""

    async def run_scenario(scenario: Scenario, options: RunOptions) -> Run:
        assert options.artifacts == kept
        return Run(
            scenario=scenario,
            trace=TRACE,
            judgement=judge(TRACE),
            artifacts=kept,
            seed=1278,
            command="crashloop reproduce issue-1278",
        )

    monkeypatch.setattr(command, "run_scenario", run_scenario)
    return kept


def run(folder: Path, *, as_json: bool = False) -> int:
    options = RunOptions(
        scale=TimeScale(factor=20.0), seed=1278, artifacts=folder, engine=LocalEngine
    )
    scenario = incident("issue-1278").scenario()
    return command.reproduce(scenario, options, as_json=as_json, no_live=True)


def test_a_recorded_run_gets_its_page_beside_its_trace_with_links_to_its_files(kept: Path) -> None:
    status, out, _ = command_line("report", str(kept))

    assert status == 0
    assert out.endswith("report.html: REPRODUCED\n")
    page = read_page((kept / "report.html").read_text())
    files = {address for tag, address in page.references() if not address.startswith("#")}
    assert files == {"attempt-1.log", "trace.jsonl"}


def test_a_page_elsewhere_links_to_no_file(kept: Path, tmp_path: Path) -> None:
    status, _, _ = command_line(
        "report", str(kept / "trace.jsonl"), "-o", str(tmp_path / "page.html")
    )

    assert status == 0
    page = read_page((tmp_path / "page.html").read_text())
    assert all(address.startswith("#") for _, address in page.references())
    assert not (kept / "report.html").exists()


@pytest.mark.parametrize(
    ("words", "status", "why"),
    [
        (["no-such-trace"], 2, "cannot read no-such-trace"),
        (["{kept}", "-o", "{kept}/none/page.html"], 12, "page.html: No such file or directory"),
        (["{kept}", "-o", "{kept}"], 12, "Is a directory"),
        (["{kept}", "-o", "{kept}/../kept/trace.jsonl"], 2, "is the trace, which it would replace"),
    ],
)
def test_a_page_that_cannot_be_made_is_an_error(
    kept: Path, words: list[str], status: int, why: str
) -> None:
    ended, out, err = command_line("report", *(word.format(kept=kept) for word in words))

    assert (ended, out) == (status, "")
    assert why in err


def test_a_page_that_no_browser_opens_is_still_written(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda _: False)

    status, _, err = command_line("report", str(kept), "--open")

    assert status == 11
    assert "no browser could be started" in err
    assert (kept / "report.html").exists()


def test_a_run_ends_with_the_name_of_its_page(
    reproduced: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(reproduced) == 0

    out = capsys.readouterr().out
    assert f"Page      {reproduced}/report.html" in out
    assert "attempt-1.log, report.html, trace.jsonl" in out
    assert "REPRODUCED" in (reproduced / "report.html").read_text()


def test_the_verdict_is_shown_before_the_page_is_made(
    reproduced: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    before: list[str] = []

    def note(*_: object, **__: object) -> str:
        before.append(shown.getvalue())
        return ""

    monkeypatch.setattr("sys.stdout", shown)
    monkeypatch.setattr("crashloop.report.page.run.run_html", note)
    run(reproduced)

    assert "REPRODUCED" in before[0]
    assert "Evidence  " not in before[0]


@pytest.mark.parametrize("as_json", [False, True])
def test_a_page_that_cannot_be_written_is_told_and_changes_no_verdict(
    reproduced: Path, capsys: pytest.CaptureFixture[str], *, as_json: bool
) -> None:
    (reproduced / "report.html").mkdir()

    assert run(reproduced, as_json=as_json) == 0

    out, err = capsys.readouterr()
    assert "report.html cannot be written: Is a directory" in err
    assert "Page  " not in out
    assert not as_json or json.loads(out)["page"] is None


def test_a_page_that_stumbles_over_its_trace_changes_no_verdict(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crashloop.report.page.run.run_html", lambda *_, **__: [].pop())

    why = write_run_page(kept, TRACE, judge(TRACE))

    assert why == "no page could be made: IndexError: pop from empty list"
    assert not (kept / "report.html").exists()


def test_the_document_of_a_run_names_its_page(
    reproduced: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(reproduced, as_json=True)

    assert json.loads(capsys.readouterr().out)["page"] == str(reproduced / "report.html")
