"""The engines by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.errors import UsageError

if TYPE_CHECKING:
    from crashloop.engines.base import Engine

LOCAL = "local"
DOCKER = "docker"
ENGINES = (LOCAL, DOCKER)


def engine_named(name: str) -> type[Engine]:
    """The engine of this name; UsageError that lists the known ones."""
    if name == LOCAL:
        from crashloop.engines.local import LocalEngine  # noqa: PLC0415  heavy: only when used

        return LocalEngine
    if name == DOCKER:
        from crashloop.engines.docker.engine import DockerEngine  # noqa: PLC0415  likewise

        return DockerEngine
    raise UsageError(f"unknown engine {name!r}", hint=f"choose one of {', '.join(ENGINES)}")
