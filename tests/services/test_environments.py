"""A service whose dependencies conflict with ours runs from its own environment."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest
from service_copies import environment, service_copy, wanted_python
from service_runs import outage

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]


def asked(python: str, question: str) -> str:
    done = subprocess.run([python, "-c", question], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_service_of_sqlalchemy_1_runs_beside_ours_from_its_own_environment(
    tmp_path: Path,
) -> None:
    python = str(environment("inventory") / "bin" / "python")
    its_own = asked(python, "from importlib.metadata import version; print(version('sqlalchemy'))")
    assert its_own.startswith("1.")
    assert not version("sqlalchemy").startswith("1.")
    which = "import sys; print(sys.version)"
    assert asked(python, which) == asked(wanted_python("inventory"), which)

    run = outage(service_copy("inventory", tmp_path), "-p", "fault=refuse", "--real-time")

    assert run.exit_codes == [3, 3, 3], run.shown
    printed = "\n".join(event["data"]["text"] for event in run.of("app.output"))
    assert f"{environment('inventory')}/lib/" in printed, run.shown
