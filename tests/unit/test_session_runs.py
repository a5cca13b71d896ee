"""The runs of a pytest session, on one page and in the summary of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from html_pages import read_page
from own_runs import ended

from crashloop import slower  # here, as pytester forgets what is imported in a test
from crashloop.model import Outcome
from crashloop.report.job_summary import VARIABLE
from crashloop.report.session import MAX_LISTED, SessionRun, runs_in, session_text, session_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.model import Scenario
    from crashloop.options import RunOptions
    from crashloop.run import Run

TWO_RUNS = [
    ("theirs", 1),
    ("crashloop_outcome", "RECOVERED"),
    ("crashloop_verdict", "REPRODUCED"),
    ("crashloop_trace", "kept/test_x/issue-1278-reproduction-1/trace.jsonl"),
    ("crashloop_command", "crashloop reproduce issue-1278"),
    ("crashloop_verdict", "INCONCLUSIVE"),
    ("crashloop_trace", "kept/test_x/issue-1278-unplugged-2/trace.jsonl"),
    ("crashloop_command", "crashloop reproduce issue-1278 --role unplugged"),
]
TESTS = """
    async def test_recovers(lab):
        await lab.run("issue-1278", app="shop")

    async def test_fails(lab):
        await lab.run("issue-1278", app="shop")
        assert False

    def test_has_no_run():
        pass
"""
FAILS_LAST = """
    import pytest

    @pytest.fixture
    def tidy():
        yield
        assert False

    async def test_recovers(lab, tidy):
        await lab.run("issue-1278", app="shop")
"""
SHOP = """
    [apps.shop]
    command = "{python} main.py {port}"
    env = {DATABASE_URL = "{postgres.url}"}
"""


def runs(*ends: str) -> Sequence[SessionRun]:
    return [
        SessionRun(
            test=f"test_{n}",
            ended=how,
            name="x",
            verdict="REPRODUCED",
            outcome="",
            trace="t",
            command="c",
        )
        for n, how in enumerate(ends)
    ]


def test_a_test_with_two_runs_tells_of_both() -> None:
    first, second = runs_in(TWO_RUNS, test="test_x", ended="passed")

    assert (first.name, first.outcome) == ("issue-1278-reproduction-1", "RECOVERED")
    assert (second.verdict, second.outcome) == ("INCONCLUSIVE", "")
    assert session_words([first, second]) == ("2 runs of 1 test: 1 REPRODUCED and 1 INCONCLUSIVE")


def test_failed_tests_come_first_in_a_summary_and_the_rest_is_counted() -> None:
    text = session_text(runs(*["passed"] * MAX_LISTED, "failed"))

    assert text.splitlines()[6].startswith("| ❌ |")
    assert text.endswith("1 more run not listed\n")


@pytest.fixture
def shop(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A repository with an app whose runs start nothing, and all of them recover."""

    async def run_scenario(scenario: Scenario, options: RunOptions) -> Run:
        assert scenario.app.name == "shop"
        assert options.artifacts is not None
        run = ended(Outcome.RECOVERED, options.artifacts)
        run.trace_path.write_text("")
        return run

    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(slower, "run_scenario", run_scenario)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makefile(".toml", crashloop=SHOP)
    pytester.makepyfile(TESTS)
    return pytester


def test_a_session_ends_with_a_page_of_its_runs_with_links_to_theirs(
    shop: pytest.Pytester,
) -> None:
    result = shop.runpytest_inprocess("--crashloop-artifacts=kept", "-p", "no:randomly")

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["crashloop: the page of all runs is */kept/report.html"])
    page = read_page((shop.path / "kept" / "report.html").read_text())
    links = [address for tag, address in page.references() if not address.startswith("#")]
    assert len(links) == 2
    assert all((shop.path / "kept" / address).is_file() for address in links)
    rows = [row.text for row in page.all("tr")][1:]
    assert "test_recovers" in rows[0]
    assert "passed" in rows[0]
    assert "failed" in rows[1]


def test_a_test_that_only_fails_after_its_run_has_not_passed(
    shop: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = shop.path / "summary.md"
    monkeypatch.setenv(VARIABLE, str(file))
    shop.makepyfile(FAILS_LAST)

    result = shop.runpytest_inprocess("-p", "no:randomly")

    result.assert_outcomes(passed=1, errors=1)
    assert file.read_text().splitlines()[-1].startswith("| ❌ |")


def test_a_session_that_keeps_no_evidence_writes_no_page(shop: pytest.Pytester) -> None:
    result = shop.runpytest_inprocess("-p", "no:randomly")

    assert "report.html" not in result.stdout.str()
    assert not [*shop.path.rglob("report.html")]


def test_a_session_is_appended_to_the_summary_of_its_job(
    shop: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = shop.path / "summary.md"
    file.write_text("of an earlier step\n")
    monkeypatch.setenv(VARIABLE, str(file))

    shop.runpytest_inprocess("-p", "no:randomly")

    text = file.read_text()
    assert text.startswith("of an earlier step\n\n### crashloop in pytest\n")
    assert "2 runs of 2 tests: 2 REPRODUCED" in text.replace("\\", "")


def test_a_session_without_a_run_writes_nothing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv(VARIABLE, str(pytester.path / "summary.md"))
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile("def test_x(): pass")

    pytester.runpytest_inprocess("--crashloop-artifacts=kept")

    assert not [*pytester.path.rglob("report.html")]
    assert not (pytester.path / "summary.md").exists()
