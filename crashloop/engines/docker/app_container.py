"""The app as a container: created before the run, started and restarted by Docker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from crashloop.engines.app import GRACEFUL_SHUTDOWN_S
from crashloop.engines.docker.capability import docker_policy
from crashloop.engines.docker.context import pack, package_files
from crashloop.engines.docker.daemon import sdk_errors
from crashloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.engines.docker.project import Project
    from crashloop.model import Scenario

ROLE_NAME = "app"
PORT = 8080
# A restart keeps the container's environment, so a file counts its lives: each has its own name in
# Postgres and its own jitter, as on the local engine.
ENTRY = """\
set -e
count="${TMPDIR:-/tmp}/crashloop-attempt"
n=$(($(cat "$count" 2>/dev/null || echo 0) + 1))
echo "$n" >"$count"
export APP_JITTER_SEED=$((APP_JITTER_SEED + n)) APP_APPLICATION_NAME="app-attempt-$n"
exec "$@"
"""
FOREIGN_FOLDER = "/srv/under-test"
OWN_FOLDER = "/srv"


def app_container(
    project: Project,
    image: str,
    scenario: Scenario,
    *,
    network: Any,
    environment: Mapping[str, str],
    volumes: Mapping[str, str],
) -> str:
    """Create the container without starting it; returns its id. Blocking.

    `volumes` maps names to folders, read-only. An app in a folder of the user's own is copied in.
    """
    app = scenario.app
    folder = FOREIGN_FOLDER if app.folder else OWN_FOLDER
    with sdk_errors("the app's container could not be created"):
        made = project.daemon.client.containers.create(
            image,
            name=project.name(ROLE_NAME),
            command=[
                *("sh", "-c", ENTRY, "sh"),
                *("uvicorn", app.target, "--host", "0.0.0.0", "--port", str(PORT)),  # noqa: S104  its own network
                *("--app-dir", folder, "--no-use-colors"),
                *("--timeout-graceful-shutdown", str(GRACEFUL_SHUTDOWN_S)),
            ],
            environment={**app.settings, **environment, "PORT": str(PORT)},
            labels=project.labels(ROLE_NAME),
            network=network.name,
            volumes={name: {"bind": where, "mode": "ro"} for name, where in volumes.items()},
            restart_policy=docker_policy(scenario.policy),
            detach=True,
        )
        if app.folder:
            archive = pack(_foreign(app.folder))
            project.daemon.api.put_archive(made.id, OWN_FOLDER, archive)
    return str(made.id)


def _foreign(folder: str) -> dict[str, Path]:
    """The files of the user's own app."""
    found = package_files(Path(folder))
    if not found:
        raise UsageError(
            f"the app's folder {folder} has no files", hint="name the folder to import"
        )
    return {f"{Path(FOREIGN_FOLDER).name}/{name}": path for name, path in found.items()}
