"""Both engines run the same scenario and must tell the same story."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from parity.cases import CASES
from parity.page import COMMAND, PAGE, row
from parity.runs import run_on, told_by
from parity.tale import differences, time_differences, times_of

if TYPE_CHECKING:
    from parity.cases import Case

    from crashloop.engines.docker.engine import DockerEngine

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
async def test_both_engines_tell_the_same_story(
    case: Case, docker_engine: type[DockerEngine], tmp_path: Path
) -> None:
    local = await run_on("local", case, tmp_path / "local")
    docker = await run_on(docker_engine.name, case, tmp_path / "docker")

    one, other = told_by(local), told_by(docker)
    if not isinstance(one, str) and not isinstance(other, str):
        assert differences(one, other) == []
    assert row(case, {"local": one, "docker": other}) in (ROOT / PAGE).read_text().splitlines(), (
        f"the page has another story; make it again: {COMMAND}"
    )
    if not isinstance(local, str) and not isinstance(docker, str):
        assert time_differences(times_of(local.trace), times_of(docker.trace)) == []
