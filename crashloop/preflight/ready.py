"""Whether the rule by which an app is ready says anything under its server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.model import AppUnderTest

OPENS_FIRST = ("gunicorn",)
"""Servers whose main process opens the port before any worker has started."""


def require_ready(app: AppUnderTest) -> None:
    """Refuse an app that is ready with its port where the port says nothing: UsageError."""
    if not (app.ready.path or app.ready.log) and (server := _opens_first(app.command)):
        raise UsageError(
            f"app {app.name} would be ready with its port, which {server} opens before any worker "
            "has started",
            hint='name a path that a worker answers: ready = "GET /health"',
        )


def _opens_first(command: Sequence[str]) -> str:
    """The server that the command starts, directly or as a module; "" if it is another."""
    names = (Path(word).name for word in command)
    return next((name for name in names if name in OPENS_FIRST), "")
