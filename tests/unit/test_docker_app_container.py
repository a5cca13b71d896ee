"""How the app's container starts: every life has a number of its own."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from crashloop.engines.app import application_name
from crashloop.engines.docker.app_container import ENTRY

if TYPE_CHECKING:
    from pathlib import Path

SHOW = 'echo "$APP_JITTER_SEED $APP_APPLICATION_NAME $1"'


def start(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Start the app as Docker does, each time with the same environment."""
    return subprocess.run(
        ["sh", "-c", ENTRY, "sh", *command],  # noqa: S607  whichever the image has
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(folder), "APP_JITTER_SEED": str(2**32)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_life_draws_its_own_jitter_and_has_its_own_name(tmp_path: Path) -> None:
    lives = [start(tmp_path, "sh", "-c", SHOW, "sh", "an app").stdout for _ in range(3)]

    assert lives == [f"{2**32 + n} {application_name(n)} an app\n" for n in (1, 2, 3)]


@pytest.mark.parametrize("code", [0, 3])
def test_the_apps_exit_code_is_the_containers(tmp_path: Path, code: int) -> None:
    assert start(tmp_path, "sh", "-c", f"exit {code}").returncode == code


def test_an_app_whose_lives_cannot_be_counted_does_not_start(tmp_path: Path) -> None:
    done = start(tmp_path / "missing", "echo", "started")

    assert (done.returncode != 0, done.stdout) == (True, "")
