"""Fixtures of the tests that need a Docker daemon."""

from __future__ import annotations

import contextlib
import gc
import os
import warnings
from dataclasses import replace

import pytest

from crashloop.engines.docker.daemon import connect
from crashloop.engines.docker.engine import DockerEngine
from crashloop.engines.docker.images import Images, ready
from crashloop.errors import CapabilityError

REQUIRE_VARIABLE = "CRASHLOOP_REQUIRE"


@pytest.fixture(scope="session")
def docker_engine() -> type[DockerEngine]:
    """The engine, its images built; else the test is skipped, or failed where docker is required.

    No test's own deadline has to leave room for a build.
    """
    _require(replace(Images.from_environment(), pooler_image=""))
    return DockerEngine


@pytest.fixture(scope="session")
def docker_engine_with_pooler(docker_engine: type[DockerEngine]) -> type[DockerEngine]:
    """The engine, with PgBouncer's image as well; else skipped or failed in the same way."""
    _require(Images.from_environment())
    return docker_engine


def _require(images: Images) -> None:
    missing = _what_is_missing(images)
    if not missing:
        return
    if "docker" in {name.strip() for name in os.environ.get(REQUIRE_VARIABLE, "").split(",")}:
        pytest.fail(f"{REQUIRE_VARIABLE} asks for docker, but {missing}", pytrace=False)
    pytest.skip(missing)


def _what_is_missing(images: Images) -> str:
    """Why no run on Docker with these images is possible here; empty if one is."""
    try:
        with contextlib.closing(connect()) as daemon:
            ready(daemon, images, say=print)
    except CapabilityError as error:
        why = error.message
    else:
        return ""
    with warnings.catch_warnings():
        # The SDK leaves the socket of a failed connection open.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    return why
