"""The summary of a GitHub job: what is appended to it, by whom, and to which file."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from command_line import command_line
from comparisons import of_issue_1278
from crashloop_traces import reproduction
from report_runs import OwnTold, own_app

from crashloop.errors import UsageError
from crashloop.judge import judge
from crashloop.model import Verdict
from crashloop.report.job_summary import VARIABLE, append_summary, require_appendable
from crashloop.report.job_text import comparison_text, proof_text, run_text
from crashloop.report.verdicts import ProofRow
from crashloop.survey.children import ask

if TYPE_CHECKING:
    from pathlib import Path

TRACE = reproduction()


@pytest.fixture(autouse=True)
def no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """No summary but the test's own."""
    monkeypatch.delenv(VARIABLE, raising=False)


def test_a_run_has_its_verdict_what_happened_and_its_command() -> None:
    text = run_text(TRACE, judge(TRACE))

    assert text.startswith("### crashloop issue-1278 (reproduction)\n")
    assert "✅ **REPRODUCED**: the outage happened here as the incident describes it" in text
    assert "- Attempts 1 to 3: phase database failed after 20.0 s" in text
    assert text.endswith("````\ncrashloop reproduce issue-1278\n````\n")


def test_a_run_of_an_own_app_has_its_outcome_and_one_that_never_started_says_so() -> None:
    assert "**RECOVERED**" in run_text(own_app(), judge(TRACE))
    never = OwnTold().control_failed("died", "it died", exit_code=1)
    assert "❌ **NEVER\\_STARTED**" in run_text(never, judge(TRACE))


def test_text_of_others_is_no_markdown() -> None:
    scenario = {**TRACE.header["scenario"], "incident": "<b>x</b> | [a](http://b) `c`\n# d"}
    text = run_text(replace(TRACE, header={**TRACE.header, "scenario": scenario}), judge(TRACE))

    assert text.splitlines()[0] == (
        r"### crashloop \<b\>x\</b\> \| \[a\]\(http://b\) \`c\` \# d (reproduction)"
    )


def test_a_proof_has_a_row_for_each_run_with_what_falls_short() -> None:
    row = ProofRow(
        role="control",
        verdict=Verdict.INCONCLUSIVE,
        expected=Verdict.NOT_REPRODUCED,
        shortfall="it died",
    )
    text = proof_text("x", [row], proven=False, remedied="", command="crashloop prove x")

    assert "❌ **NOT PROVEN**" in text
    assert r"| ❌ | control | INCONCLUSIVE | NOT\_REPRODUCED | it died |" in text


def test_a_comparison_has_a_row_for_each_arm_and_what_they_add_up_to() -> None:
    found = of_issue_1278()
    rows = comparison_text(found, command="crashloop compare x").splitlines()

    assert sum(row.startswith(("| ✅", "| ❌", "| ❔")) for row in rows) == len(found.arms)


def test_a_summary_is_appended_and_never_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "summary.md"
    file.write_text("of an earlier step")
    monkeypatch.setenv(VARIABLE, str(file))

    assert append_summary(None, lambda: "ours\n") == 0
    assert append_summary(file, lambda: "again\n") == 0

    assert file.read_text() == "of an earlier step\nours\n\nagain\n"


def test_without_a_file_nothing_is_made() -> None:
    assert append_summary(None, lambda: pytest.fail("it was made")) == 0


def test_a_file_that_only_github_named_is_a_warning_and_one_that_was_asked_for_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))

    assert append_summary(None, lambda: "x") == 0
    assert capsys.readouterr().err.startswith("warning: the job summary ")
    assert append_summary(tmp_path, lambda: "x") == 12
    assert capsys.readouterr().err.startswith("error: --summary ")


@pytest.mark.parametrize("command", ["reproduce", "prove", "compare", "matrix"])
def test_a_summary_that_cannot_be_written_is_refused_before_anything_starts(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    status, _, err = command_line(command, "issue-1278", "--summary", "none/summary.md")

    assert status == 2
    assert "--summary none/summary.md cannot be written: No such file or directory" in err
    assert not [*tmp_path.iterdir()]


def test_a_file_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    require_appendable(tmp_path / "new.md")

    assert not [*tmp_path.iterdir()]
    with pytest.raises(UsageError, match="Is a directory"):
        require_appendable(tmp_path)


async def test_a_child_of_a_check_appends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, os.devnull)
    code = f"import json, os; print(json.dumps({{'named': {VARIABLE!r} in os.environ}}))"

    answer = await ask(
        [], bound_s=60.0, on_line=lambda _: None, command=(sys.executable, "-c", code)
    )

    assert answer.document["named"] is False
