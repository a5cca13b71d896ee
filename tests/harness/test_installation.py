"""Under tox the built wheel is what gets tested: in pytest, in the command, in the started app."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import app_under_test
import crashloop

if TYPE_CHECKING:
    from crashloop.testing import Lab

SITE_PACKAGES = Path(sysconfig.get_path("purelib")).resolve()

needs_wheel = pytest.mark.skipif(
    "CRASHLOOP_EXPECT_WHEEL" not in os.environ,
    reason="an editable installation comes from the checkout; run tox to test the built wheel",
)


@needs_wheel
def test_pytest_imports_both_packages_from_site_packages() -> None:
    for package in (crashloop, app_under_test):
        assert package.__file__ is not None
        assert Path(package.__file__).resolve().is_relative_to(SITE_PACKAGES)


@needs_wheel
def test_the_command_comes_from_site_packages() -> None:
    command = Path(sysconfig.get_path("scripts")) / "crashloop"
    done = subprocess.run(
        [command, "--version"], capture_output=True, text=True, check=True, timeout=30
    )
    assert str(SITE_PACKAGES) in done.stdout


@needs_wheel
async def test_the_started_app_comes_from_site_packages(lab: Lab) -> None:
    run = await lab.run("issue-1278", role="control")

    started = run.events("startup.started")[0]
    assert Path(started.data["app_path"]).is_relative_to(SITE_PACKAGES)
    assert Path(run.trace.header["package"]).is_relative_to(SITE_PACKAGES)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["incidents", "issue-1278"], 0),
        (["judge", "no-such-trace"], 2),
        (["proxy", "--api", "127.0.0.1:0", "--until-stdin-closes"], 0),
    ],
)
def test_the_command_needs_no_package_of_the_sample_app(words: list[str], status: int) -> None:
    missing = ("fastapi", "httptools", "pydantic_settings", "redis", "sqlalchemy", "starlette")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({missing})); sys.argv = {['x', *words]};"
        "from crashloop.cli import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert "ModuleNotFoundError" not in done.stderr
