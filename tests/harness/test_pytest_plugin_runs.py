"""The plugin in a foreign repository that runs scenarios: strict mode, xdist, its own --seed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from html_pages import read_page

DEADLINE_S = 110.0
OWN_APP = Path(__file__).parents[2] / "fixtures" / "own_app"
KEPT = ("PATH", "HOME", "LANG", "XDG_CACHE_HOME", "PYTHONPATH", "LD_LIBRARY_PATH")

EVIDENCE = "kept/test_outage.py.test_wrong"
EARLIER = f"{EVIDENCE}/issue-1278-control-1/trace.jsonl"
CONFTEST = """
def pytest_addoption(parser):
    parser.addoption("--seed", default="none")
"""

IMPOSSIBLE = '"issue-1278", transport="tcp", fault="connect_delay", limit_s=60'

RUNS = f"""
from crashloop.testing import NOT_REPRODUCED, REPRODUCED

async def test_right(lab, request):
    assert request.config.getoption("--seed") == "theirs"
    run = await lab.run("issue-1278", role="control", limit_s=25)
    assert run.expect(NOT_REPRODUCED) is run
    assert run.events("phase.completed", attempt=1)
    assert not run.events("phase.completed", attempt=2)
    assert run.timeline().startswith("incident s")
    assert run.scenario.params["limit_s"] == 25
    assert run.artifacts.parent == lab.artifacts

async def test_wrong(lab):
    run = await lab.run("issue-1278", role="control")
    run.expect(REPRODUCED)

async def test_impossible_here(lab):
    await lab.run({IMPOSSIBLE})

async def test_not_proven_here(lab):
    await lab.prove({IMPOSSIBLE})
"""

BROKEN = """
from dataclasses import replace

import pytest

from crashloop.incidents import incident
from crashloop.testing import HARNESS_ERROR, REPRODUCED, VerdictMismatch

async def test_expects_a_verdict(lab):
    run = await lab.run("issue-1278")
    run.expect(REPRODUCED)

async def test_looks_at_nothing(lab):
    await lab.run("issue-1278")

async def test_ignores_the_mismatch(lab):
    run = await lab.run("issue-1278")
    with pytest.raises(VerdictMismatch):
        run.expect(REPRODUCED)

async def test_expects_the_failure(lab):
    run = await lab.run("issue-1278")
    run.expect(HARNESS_ERROR)

async def test_proof(lab):
    proof = await lab.prove("issue-1278")
    assert not proof.proven
    proof.expect(REPRODUCED)

async def test_typing_error(lab):
    await lab.run("issue-1278", limit=20)

async def test_own_scenario(lab):
    known = incident("issue-1278").scenario()
    run = await lab.run(replace(known, title="mine"))
    run.expect(HARNESS_ERROR)
    again = await lab.run(known)
    again.expect(HARNESS_ERROR)
    assert (run.command.split()[0], again.command.split()[0]) == ("pytest", "crashloop")
    assert run.artifacts != again.artifacts
"""

OWN = """
from crashloop.testing import outages

test_outages = outages("shop", "issue-1278", "cache-still-loading", limit_s=10)

async def test_forgets_to_assert(lab):
    await lab.run("issue-1278", app="broken")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A finished pytest session in a foreign repository."""

    folder: Path
    output: str

    def outcomes(self) -> dict[str, int]:
        last = self.output.strip().splitlines()[-1]
        return {what.rstrip("s"): int(n) for n, what in re.findall(r"(\d+) ([a-z]+)", last)}

    def section(self, test: str) -> str:
        """What was printed for one failure."""
        found = re.search(
            rf"^_+ [^\n]*{test} _+$(.*?)^(?:_{{3,}}|={{3,}}) ",
            self.output,
            re.DOTALL | re.MULTILINE,
        )
        assert found is not None, f"nothing was printed for {test}:\n{self.output}"
        return found[1]

    def junit(self) -> dict[str, dict[str, str]]:
        """The properties of each test."""
        cases = ET.parse(self.folder / "junit.xml").iter("testcase")  # noqa: S314  our own
        return {
            case.attrib["name"]: {
                p.attrib["name"]: p.attrib["value"] for p in case.iter("property")
            }
            for case in cases
        }


def session(folder: Path, test: str, *options: str) -> Session:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_outage.py").write_text(test)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=folder,
        env={name: os.environ[name] for name in KEPT if name in os.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    return Session(folder=folder, output=done.stdout)


def broken_postgres(folder: Path) -> None:
    """Programs that say a version and then fail: the harness breaks, nothing typed was wrong."""
    folder.mkdir()
    for name in ("postgres", "initdb"):
        program = folder / name
        program.write_text(
            f'#!/bin/sh\n[ "$1" = --version ] || exit 1\necho "{name} (PostgreSQL) 18.0"\n'
        )
        program.chmod(0o755)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("ran")
    (folder / EARLIER).parent.mkdir(parents=True)
    (folder / EARLIER).write_text("of an earlier session")
    options = ("--seed=theirs", "-n", "2", "-rfs", "--junitxml=junit.xml")
    # A control run waits for nothing, so a lower scale costs no time and stays fair when it is busy
    ours = ("--crashloop-artifacts=kept", "--crashloop-time-scale=4")
    return session(folder, RUNS, *options, *ours)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("broken")
    broken_postgres(folder / "no-postgres")
    return session(folder, BROKEN, "--crashloop-postgres-bin=no-postgres")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("own")
    shutil.copytree(OWN_APP, folder / "apps", ignore=shutil.ignore_patterns("__pycache__"))
    entry = (OWN_APP / "crashloop.toml").read_text()
    broken = entry.replace("apps.shop", "apps.broken").replace("DATABASE_URL", "NOT_READ")
    (folder / "apps" / "crashloop.toml").write_text(f"{entry}\n{broken}")
    ours = ("--crashloop-config=apps/crashloop.toml", "--crashloop-artifacts=kept")
    return session(folder, OWN, "-n", "2", "-rs", "--junitxml=junit.xml", *ours)


def test_an_expected_verdict_passes_another_fails_and_the_impossible_is_skipped(
    ran: Session,
) -> None:
    assert ran.outcomes() == {"passed": 1, "failed": 1, "skipped": 2}, ran.output
    line = RUNS.splitlines().index(f"    await lab.run({IMPOSSIBLE})") + 1
    reason = f"SKIPPED [1] test_outage.py:{line}: crashloop: this scenario runs in real time only"
    assert reason in ran.output
    assert ran.output.count("--crashloop-time-scale 1 in pytest)") == 2


def test_a_failed_expectation_shows_timeline_reason_findings_and_how_to_run_it_again(
    ran: Session,
) -> None:
    shown = ran.section("test_wrong")
    for part in (
        r"issue-1278 \(control\) ended NOT_REPRODUCED, expected REPRODUCED",
        r"phase database never failed; in attempt 1 it completed",
        r"incident s +0",
        r"attempt 1 .* ready",
        r"refuted: phase_failed: phase database never failed.* \(seq \d+\)",
        r"saw nothing: recovered: ",
        rf"trace: .*{EVIDENCE}/issue-1278-control-2/trace\.jsonl",
        r"run again: pytest test_outage\.py::test_wrong --crashloop-seed \d+",
        r"without pytest: crashloop reproduce issue-1278 .*--role control",
    ):
        assert re.search(part, shown), f"{part} is not in:\n{shown}"


def test_a_failed_expectation_names_the_test_s_own_line_and_no_internals(ran: Session) -> None:
    shown = ran.section("test_wrong")
    line = RUNS.splitlines().index("    run.expect(REPRODUCED)") + 1
    assert f"test_outage.py:{line}: in test_wrong" in shown
    assert re.findall(r"\S+\.py:\d+", shown) == [f"test_outage.py:{line}"]
    summary = [line for line in ran.output.splitlines() if line.startswith("FAILED")]
    assert summary[0].startswith("FAILED test_outage.py::test_wrong - issue-1278 (control) ended")


def test_junit_carries_verdict_seed_trace_and_command_and_workers_share_the_seed(
    ran: Session,
) -> None:
    seed = re.search(r"^crashloop: .* seed (\d+)$", ran.output, re.MULTILINE)
    assert seed is not None
    properties = ran.junit()
    for test in ("test_right", "test_wrong"):
        assert properties[test]["crashloop_verdict"] == "NOT_REPRODUCED"
        assert properties[test]["crashloop_seed"] == seed[1]
        assert properties[test]["crashloop_time_scale"] == "4"
        assert Path(properties[test]["crashloop_trace"]).is_file()
        assert f"--seed {seed[1]}" in properties[test]["crashloop_command"]
    assert properties["test_impossible_here"] == {}


def test_the_runs_of_all_workers_are_on_one_page(ran: Session) -> None:
    assert re.search(
        r"^crashloop: the page of all runs is .*kept/report\.html$", ran.output, re.MULTILINE
    )
    page = read_page((ran.folder / "kept" / "report.html").read_text())
    links = [address for _, address in page.references() if not address.startswith("#")]
    assert len(links) == 2
    assert all((ran.folder / "kept" / address).is_file() for address in links)


def test_evidence_of_an_earlier_session_is_not_overwritten(ran: Session) -> None:
    assert (ran.folder / EARLIER).read_text() == "of an earlier session"
    assert (ran.folder / EVIDENCE / "issue-1278-control-2" / "trace.jsonl").is_file()


@pytest.mark.slow
def test_a_broken_harness_never_passes_unless_it_was_expected(broken: Session) -> None:
    # expects_a_verdict, proof and typing_error fail; what looked away ends in an error
    assert broken.outcomes() == {"failed": 3, "passed": 4, "error": 2}, broken.output
    for test in ("test_looks_at_nothing", "test_ignores_the_mismatch"):
        shown = broken.section(f"ERROR at teardown of {test}")
        assert "the harness broke: " in shown
        assert "no-postgres" in shown
        assert "Traceback" not in shown
        assert not re.search(r"\S+\.py:\d+", shown)


@pytest.mark.slow
def test_an_expectation_of_a_broken_run_shows_the_harness_s_message_and_hint(
    broken: Session,
) -> None:
    shown = broken.section("test_expects_a_verdict")
    assert "ended HARNESS_ERROR, expected REPRODUCED" in shown
    assert "the harness broke: " in shown
    assert "no-postgres" in shown
    line = BROKEN.splitlines().index("    run.expect(REPRODUCED)") + 1
    assert re.findall(r"\S+\.py:\d+", shown) == [f"test_outage.py:{line}"]


@pytest.mark.slow
def test_a_proof_that_fell_short_shows_which_run_did(broken: Session) -> None:
    shown = broken.section("test_proof")
    assert "the proof of issue-1278 ended HARNESS_ERROR, expected REPRODUCED" in shown
    assert "control: ended HARNESS_ERROR, not NOT_REPRODUCED" in shown
    assert "the control run:" in shown


@pytest.mark.slow
def test_a_wrong_parameter_is_one_message_at_the_test_s_line(broken: Session) -> None:
    shown = broken.section("test_typing_error")
    assert "issue-1278 has no parameter 'limit'" in shown
    assert "it has: limit_s" in shown
    assert len(re.findall(r"\S+\.py:\d+", shown)) == 1


@pytest.mark.slow
def test_outages_of_an_own_app_are_tests_that_workers_share_and_what_cannot_happen_is_skipped(
    own: Session,
) -> None:
    assert own.outcomes() == {"passed": 2, "skipped": 1, "error": 1}, own.output
    reason = "crashloop: cache-still-loading is about redis, which app shop does not use"
    assert f"SKIPPED [1] test_outage.py: {reason}" in own.output
    assert own.junit()["test_outages[issue-1278]"]["crashloop_outcome"] == "RECOVERED"


@pytest.mark.slow
def test_a_run_of_an_app_that_never_started_passes_no_test_and_shows_the_app_s_last_lines(
    own: Session,
) -> None:
    shown = own.section("ERROR at teardown of test_forgets_to_assert")
    assert "of app broken ended NEVER_STARTED, so nothing was tested" in shown
    assert "KeyError: 'DATABASE_URL'" in shown
    assert "control.log" in shown
    assert not re.search(r"^\S+\.py:\d+", shown, re.MULTILINE)
