"""The engines by name."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from crashloop.errors import CapabilityError, UsageError
from crashloop.extras import INSTALL_DOCKER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.engines.base import Engine

LOCAL = "local"
DOCKER = "docker"
ENGINES = (LOCAL, DOCKER)
DOCKER_PACKAGES = ("docker", "testcontainers")


@contextlib.contextmanager
def docker_packages() -> Iterator[None]:
    """Turn the import of a missing package of the Docker engine into a CapabilityError."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package not in DOCKER_PACKAGES:
            raise
        raise CapabilityError(
            f"the Docker engine needs the package {package}",
            hint=INSTALL_DOCKER,
        ) from None


def engine_named(name: str) -> type[Engine]:
    """The engine of this name; UsageError that lists the known ones."""
    if name == LOCAL:
        from crashloop.engines.local import LocalEngine  # noqa: PLC0415  heavy: only when used

        return LocalEngine
    if name == DOCKER:
        with docker_packages():
            from crashloop.engines.docker.engine import DockerEngine  # noqa: PLC0415  likewise

            return DockerEngine
    raise UsageError(f"unknown engine {name!r}", hint=f"choose one of {', '.join(ENGINES)}")
