"""Fixtures of the tests that need a Docker daemon."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from crashloop.engines.docker.daemon import connect
from crashloop.engines.docker.engine import DockerEngine
from crashloop.errors import CapabilityError

if TYPE_CHECKING:
    from crashloop.engines.base import Engine

REQUIRE_VARIABLE = "CRASHLOOP_REQUIRE"


@pytest.fixture(scope="session")
def docker_engine() -> type[Engine]:
    """The engine; else the test is skipped, or failed where docker is required."""
    try:
        connect().close()
    except CapabilityError as error:
        if "docker" in {name.strip() for name in os.environ.get(REQUIRE_VARIABLE, "").split(",")}:
            pytest.fail(f"{REQUIRE_VARIABLE} asks for docker, but {error}", pytrace=False)
        pytest.skip(error.message)
    return DockerEngine
