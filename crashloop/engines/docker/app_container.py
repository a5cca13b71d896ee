"""The app's containers, one for each replica: created before the run, started by a platform."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crashloop.apps import render, secret_values
from crashloop.apps.wrap import FILE, VARIABLE
from crashloop.engines.docker.context import pack, package_files
from crashloop.engines.docker.daemon import sdk_errors
from crashloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crashloop.clock import TimeScale
    from crashloop.engines.docker.project import Project
    from crashloop.model import AppUnderTest
    from crashloop.trace.redact import Redactor

ROLE_NAME = "app"
PORT = 8080
FOREIGN_FOLDER = "/srv/under-test"
# A restart keeps the container's command and environment, so a file counts its lives.
COUNT = """\
set -e
count="${TMPDIR:-/tmp}/crashloop-attempt"
n=$(($(cat "$count" 2>/dev/null || echo {before}) + 1))
echo "$n" >"$count"
"""
WRAP_FOLDER = "/crashloop-wrap"
WRAP = f'export PYTHONPATH="{WRAP_FOLDER}${{PYTHONPATH:+:$PYTHONPATH}}"\n'  # the image may have one
_ATTEMPT = "\0attempt\0"


def app_container(
    project: Project,
    image: str,
    app: AppUnderTest,
    *,
    role: str,
    values: Mapping[str, str],
    scale: TimeScale,
    redactor: Redactor,
    network: Any,
    volumes: Mapping[str, str],
    restart_policy: Mapping[str, object],
    first: int = 1,
) -> str:
    """Create the container of one replica without starting it; returns its id. Blocking.

    `values` are the placeholders' values but `attempt`, which counts from `first`. `volumes` maps
    names to folders, read-only. `redactor` gets its secrets.

    The working folder of an app without an image of its own is copied in. In its own image it is a
    folder there, and an app without a command is started as the image says. UsageError if that
    cannot count its lives.
    """
    has_image = bool(app.image or app.build)
    is_copied = bool(app.cwd) and not has_image
    places = {"host": "0.0.0.0", "port": str(PORT), "python": "python"}  # noqa: S104  its own network
    command, environment = render(app, {**places, **values, "attempt": _ATTEMPT}, scale)
    for secret in secret_values(app, environment):
        for literal in secret.split(_ATTEMPT):  # the number is known in the container alone
            redactor.add(literal)
    each_life = {name: text for name, text in environment.items() if _ATTEMPT in text}
    always = {name: text for name, text in environment.items() if name not in each_life}
    if app.wrap:
        always[VARIABLE] = app.wrap
    if is_copied:
        always["PYTHONSAFEPATH"] = ""  # as on a developer's machine, `python -m` imports from it
    with sdk_errors(f"the container {role} could not be created"):
        made = project.daemon.client.containers.create(
            image,
            name=project.name(role),
            **_started_by(app, command, each_life, before=first - 1),
            environment=always,
            labels=project.labels(role),
            network=network.name,
            volumes={name: {"bind": where, "mode": "ro"} for name, where in volumes.items()},
            restart_policy=dict(restart_policy),
            working_dir=FOREIGN_FOLDER if is_copied else app.cwd or None,
            detach=True,
        )
        if app.wrap:
            archive = pack({f"{WRAP_FOLDER[1:]}/{FILE.name}": FILE})
            project.daemon.api.put_archive(made.id, "/", archive)
        if is_copied:
            archive = pack(_foreign(app.cwd))
            project.daemon.api.put_archive(made.id, str(Path(FOREIGN_FOLDER).parent), archive)
    return str(made.id)


def _started_by(
    app: AppUnderTest, command: Sequence[str], each_life: Mapping[str, str], *, before: int
) -> dict[str, list[str]]:
    """What a container is started by: our script, which becomes the command, or its image."""
    if command:
        script = entry(command, each_life, is_wrapped=bool(app.wrap), before=before)
        return {"entrypoint": ["sh", "-c"], "command": [script]}
    if each_life or app.wrap:
        raise UsageError(
            f"app {app.name} has no `command`, so {', '.join(each_life) or '`wrap`'} cannot be set "
            "for each of its lives",
            hint="give the command that the image starts as its `command`",
        )
    return {}


def entry(
    command: Sequence[str],
    each_life: Mapping[str, str],
    *,
    is_wrapped: bool = False,
    before: int = 0,
) -> str:
    """The shell's script that counts a life, sets its variables, and becomes the command.

    `before` lives are counted already.
    """
    exports = [f"export {name}={_word(text)}" for name, text in each_life.items()]
    start = COUNT.replace("{before}", str(before)) + (WRAP if is_wrapped else "")
    return start + "\n".join([*exports, " ".join(["exec", *map(_word, command)]), ""])


def _word(text: str) -> str:
    """The text as one word of the shell, with the number of the life where it belongs."""
    return '"$n"'.join(shlex.quote(part) if part else "" for part in text.split(_ATTEMPT)) or "''"


def _foreign(folder: str) -> dict[str, Path]:
    """The files of the user's own app."""
    found = package_files(Path(folder))
    if not found:
        raise UsageError(
            f"the app's folder {folder} has no files", hint="name the folder with its sources"
        )
    return {f"{Path(FOREIGN_FOLDER).name}/{name}": path for name, path in found.items()}
