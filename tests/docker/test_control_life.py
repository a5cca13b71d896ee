"""A user's own app on Docker: from an image of its own, with its setup and its control life."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crashloop.apps import find_entry
from crashloop.engines.docker.daemon import connect
from crashloop.engines.docker.images import Images, ready
from crashloop.incidents import incident
from crashloop.lab import run_scenario
from crashloop.model import Outcome, Role
from crashloop.options import RunOptions
from crashloop.trace.event import CONTROL_FAILED

if TYPE_CHECKING:
    from crashloop.engines.docker.engine import DockerEngine
    from crashloop.model import AppUnderTest
    from crashloop.run import Run

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
FOLDER = Path(__file__).parents[2] / "fixtures" / "plain_app"


def plain(folder: Path, base: str, **changes: Any) -> AppUnderTest:
    """The plain app with a folder from which its image is built."""
    build = folder / "build"
    build.mkdir()
    (build / "main.py").write_text((FOLDER / "main.py").read_text())
    (build / "Dockerfile").write_text(f'FROM {base}\nCOPY main.py /shop/\nENTRYPOINT ["false"]\n')
    entry = find_entry("plain", folder=FOLDER)
    return replace(entry, build=str(build), cwd="/shop", transport="unix", **changes)


async def run(folder: Path, engine: type[DockerEngine], app: AppUnderTest) -> Run:
    made = incident("issue-1278").scenario(Role.REPRODUCTION, app)
    return await run_scenario(made, RunOptions(artifacts=folder / "run", seed=7, engine=engine))


def one(done: Run, kind: str) -> dict[str, Any]:
    (found,) = [event for event in done.trace.events if event.kind == kind]
    return dict(found.data)


def sample_image() -> str:
    """The image of the sample app, which has Python and asyncpg."""
    with contextlib.closing(connect()) as daemon:
        return ready(daemon, Images.from_environment(), say=print).app_image


async def test_an_app_from_a_folder_with_a_dockerfile_is_used_without_a_fault_first(
    tmp_path: Path, docker_engine: type[DockerEngine]
) -> None:
    done = await run(tmp_path, docker_engine, plain(tmp_path, sample_image()))
    failed = [event.data for event in done.trace.control if event.kind == "control.failed"]
    assert not failed
    assert one(done, "setup.finished")["lines"] == ["made the table orders"]
    ended = one(done, "control.ended")
    assert ended["sigterm_ignored"] is True, "process 1 has no default action for SIGTERM"
    assert ended["exit_code"] == 128 + 9
    assert one(done, "before.checked") == {"lost": [], "doubled": [], "checked": 1}
    assert [event.kind for event in done.trace.control if event.kind == "link.opened"]
    assert done.fate is not None
    assert done.fate.outcome is Outcome.RECOVERED, done.fate.why
    names = {each.name for each in done.artifacts.iterdir()}
    assert {"setup.log", "control.log", "attempt-1.log"} <= names


async def test_an_app_that_does_not_start_in_its_container_is_shown_with_its_own_words(
    tmp_path: Path, docker_engine: type[DockerEngine]
) -> None:
    app = plain(tmp_path, sample_image(), setup=())
    broken = replace(app, env={**app.env, "PLAIN_APP_BROKEN": "1"})
    done = await run(tmp_path, docker_engine, broken)
    assert done.fate is not None
    assert done.fate.outcome is Outcome.NEVER_STARTED
    assert one(done, "run.finished")["how"] == CONTROL_FAILED
    assert one(done, "control.failed")["lines"] == ["PLAIN_APP_BROKEN is set"]
