"""Which incidents Docker cannot make, and that it says so before anything starts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from crashloop.cli import main
from crashloop.engines.docker.capability import LACKS, require_possible
from crashloop.errors import CapabilityError
from crashloop.faults import KINDS
from crashloop.incidents import INCIDENTS, incident
from crashloop.model import Role

PAGE = Path(__file__).parents[2] / "docs" / "docker.md"

NOT_ON_DOCKER = {
    "database-still-recovering": "recovering",
    "name-does-not-resolve-for-ever": "name_unknown",
    "read-only-file-system": "read_only_files",
    "listens-on-another-port-than-probed": "other_port",
    "restart-herd": "killed",
    "workers-times-pool": "many_workers",
}
"""Each with the fault that Docker lacks."""

WITH_A_POOLER = {
    name
    for name, one in INCIDENTS.items()
    if any(each.pooler for each in one.scenario().dependencies)
}


@pytest.mark.parametrize("name", sorted(set(INCIDENTS) - set(NOT_ON_DOCKER) - WITH_A_POOLER))
def test_every_run_of_any_other_incident_is_possible_on_docker(name: str) -> None:
    for role in Role:
        require_possible(incident(name).scenario(role))


@pytest.mark.parametrize(("name", "fault"), NOT_ON_DOCKER.items())
def test_what_docker_cannot_make_is_one_message_before_anything_starts(
    name: str,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    monkeypatch.setattr(sys, "argv", ["crashloop", "prove", name, "--engine", "docker"])

    status = main()

    said = capsys.readouterr()
    message, hint = said.err.strip().splitlines()
    assert (status, said.out) == (CapabilityError.exit_status, "")
    assert message == f"error: the Docker engine has no fault {fault}: {LACKS[fault]}"
    assert "--engine local" in hint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "fault"), NOT_ON_DOCKER.items())
def test_the_story_of_an_incident_and_the_page_say_why_it_is_not_on_docker(
    name: str, fault: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["crashloop", "incidents", name])

    assert main() == 0

    story = " ".join(capsys.readouterr().out.split())
    assert f"- docker: not here, the Docker engine has no fault {fault}: {LACKS[fault]}" in story
    assert f"| {name} | {LACKS[fault]} |" in PAGE.read_text()


def test_every_fault_of_the_apps_processes_that_docker_lacks_has_a_reason_of_its_own() -> None:
    of_processes = {kind for kind, one in KINDS.items() if one.needs_lives and not one.by_quota}

    assert of_processes <= set(LACKS)
