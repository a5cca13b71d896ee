"""An app's entry in TOML: `[apps.NAME]` with its command, environment, knobs and journey.

`command` is split as a shell would, without a shell. `cwd` and `venv` are relative to the file's
folder, which is the default of `cwd`; an empty one is a new folder for each life. `ready` is
"GET /path", or `{request = "GET /path", json = {...}}`; without it, the app is ready when its port
accepts a connection. `journey` is a list of steps. See `crashloop.apps.template` for the
placeholders in `command`, `env` and `journey`.
"""

from __future__ import annotations

import re
import shlex
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crashloop.apps import steps, template
from crashloop.apps.file import nearest_file, read_apps, table_of
from crashloop.clock import REAL_TIME, TimeScale
from crashloop.errors import UsageError
from crashloop.model import AppUnderTest, Journey, Ready

if TYPE_CHECKING:
    from crashloop.apps.source import Source
    from crashloop.model import Value

FIELDS = (
    *("command", "cwd", "venv", "env", "inherit_env", "secrets", "timers", "knobs", "ready"),
    *("journey", "phases"),
)
_NAME = re.compile(r"[A-Za-z_]\w*")


def find_entry(name: str, *, folder: Path, file: Path | None = None) -> AppUnderTest:
    """The app `name` of `file`, or of the nearest file in `folder` or above it.

    Raises UsageError as `load_entry` does, and where no file has an app.
    """
    return load_entry(file or nearest_file(folder), name)


def load_entry(path: Path, name: str) -> AppUnderTest:
    """The app `name` of the file.

    Raises UsageError, with file and line, for what cannot be read, for a field or placeholder that
    does not exist, and for a value of the wrong kind.
    """
    source, apps = read_apps(path)
    found = apps.get(name)
    place = table_of(path, source)
    if not isinstance(found, dict):
        known = ", ".join(apps) or "none"
        raise UsageError(
            f"{place if apps else path}: there is no app {name!r}", hint=f"known: {known}"
        )
    return _app(found, name, place.at(name), path.parent)


def _app(entry: dict[str, Any], name: str, source: Source, folder: Path) -> AppUnderTest:
    for field in entry:
        if field not in FIELDS:
            raise source.at(field).error(
                f"the app {name} has no field {field!r}", hint=f"known: {', '.join(FIELDS)}"
            )
    knobs = _knobs(entry, source)
    known = dict.fromkeys(template.KNOWN, "tcp://")
    known |= template.knob_values(knobs, TimeScale(factor=REAL_TIME))
    env = _env(entry, source, known)
    inherit_env = _inherit_env(entry, source)
    return AppUnderTest(
        name=name,
        command=_command(entry, source, known),
        env=env,
        cwd=_cwd(entry, source, folder),
        venv=_folder(entry, source, "venv", folder),
        inherit_env=inherit_env,
        masked_env=_secrets(entry, source, (*env, *inherit_env)),
        timers=_timers(entry, source, env),
        knobs=knobs,
        ready=_ready(entry, source),
        journey=_journey(entry, source),
        phases=tuple(source.texts(entry, "phases")),
        source=str(source),
    )


def _command(entry: dict[str, Any], source: Source, known: dict[str, str]) -> tuple[str, ...]:
    here = source.at("command")
    try:
        words = tuple(shlex.split(source.text_of(entry, "command")))
    except ValueError as error:
        raise here.error(f"`command` cannot be split as a shell would: {error}") from None
    if not words:
        raise here.error("an app needs a `command`", hint='command = "{python} -m shop"')
    for word in words:
        template.fill(word, known, where=f"{here}: `command`")
    return words


def _cwd(entry: dict[str, Any], source: Source, folder: Path) -> str:
    if "cwd" not in entry:
        return str(folder.resolve())
    return _folder(entry, source, "cwd", folder)


def _folder(entry: dict[str, Any], source: Source, field: str, folder: Path) -> str:
    """A folder relative to the file's; "" where none is given."""
    given = source.text_of(entry, field)
    return str((folder / Path(given).expanduser()).resolve()) if given else ""


def _inherit_env(entry: dict[str, Any], source: Source) -> tuple[str, ...]:
    if "inherit_env" not in entry:
        return AppUnderTest(name="", command=()).inherit_env
    return tuple(source.texts(entry, "inherit_env"))


def _secrets(entry: dict[str, Any], source: Source, variables: tuple[str, ...]) -> tuple[str, ...]:
    """The names of `secrets`, each a variable of `env` or one that `inherit_env` covers."""
    secrets = source.texts(entry, "secrets")
    for name in secrets:
        if not any(fnmatchcase(name, variable) for variable in variables):
            raise source.at("secrets").error(
                f"the secret {name} is neither in `env` nor in `inherit_env`",
                hint="a secret is a variable that the app gets",
            )
    return tuple(secrets)


def _env(entry: dict[str, Any], source: Source, known: dict[str, str]) -> dict[str, str]:
    table = source.table(entry, "env")
    for name in table:
        here = source.at("env", name)
        template.fill(source.at("env").text_of(table, name), known, where=f"{here}: {name}")
    return table


def _timers(entry: dict[str, Any], source: Source, env: dict[str, str]) -> tuple[str, ...]:
    timers = source.texts(entry, "timers")
    for name in timers:
        if name not in env:
            here = source.at("timers")
            raise here.error(f"the timer {name} is not in `env`", hint="a timer is a variable")
        template.seconds(env[name], where=f"{source.at('env', name)}: {name}")
    return tuple(timers)


def _knobs(entry: dict[str, Any], source: Source) -> dict[str, Value]:
    table = source.table(entry, "knobs")
    for name, value in table.items():
        here = source.at("knobs", name)
        if not _NAME.fullmatch(name) or name in template.KNOWN:
            raise here.error(f"{name!r} cannot be the name of a knob")
        if name.endswith(template.MILLISECONDS):
            in_s = name.removesuffix(template.MILLISECONDS) + template.SECONDS
            raise here.error(
                f"the knob {name} would not be scaled",
                hint=f"give the knob {in_s}; {{{name}}} is the same time in milliseconds",
            )
        if not isinstance(value, str | int | float):
            raise here.error(f"the knob {name} must be a text, a number, or true or false")
        if name.endswith(template.SECONDS):
            template.seconds(template.text_of(value), where=f"{here}: the knob {name}")
    return table


def _ready(entry: dict[str, Any], source: Source) -> Ready:
    given, here = entry.get("ready"), source.at("ready")
    if given is None:
        return Ready()
    if isinstance(given, str):
        given = {"request": given}
    if not isinstance(given, dict) or set(given) - {"request", "json"}:
        raise here.error('`ready` must be "GET /path", or a table of `request` and `json`')
    method, path = steps.request_line(given, here)
    if method != "GET":
        raise here.error(f"`ready` asks by GET, not by {method}")
    return Ready(path=path, json=here.table(given, "json"))


def _journey(entry: dict[str, Any], source: Source) -> Journey:
    given = entry.get("journey", [])
    if not isinstance(given, list) or not all(isinstance(step, dict) for step in given):
        raise source.at("journey").error("`journey` must be a list of steps")
    return Journey(
        steps=tuple(
            steps.read(step, source.at(*["journey"] * number))
            for number, step in enumerate(given, start=1)
        )
    )
