"""An app's entry in TOML: `[apps.NAME]` with its command, environment, knobs and journey.

`command` is split as a shell would, without a shell. `cwd` is relative to the file's folder, which
is its default; an empty one is a new folder for each life. `ready` is "GET /path", or
`{request = "GET /path", json = {...}}`; without it, the app is ready when its port accepts a
connection. `journey` is a list of steps. See `crashloop.apps.template` for the placeholders in
`command`, `env` and `journey`.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from typing import TYPE_CHECKING, Any

from crashloop.apps import steps, template
from crashloop.apps.source import Source
from crashloop.errors import UsageError
from crashloop.model import AppUnderTest, Journey, Ready

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.model import Value

FIELDS = ("command", "cwd", "env", "timers", "knobs", "ready", "journey", "phases")
_NAME = re.compile(r"[A-Za-z_]\w*")


def load_entry(path: Path, name: str) -> AppUnderTest:
    """The app `name` of the file.

    Raises UsageError, with file and line, for what cannot be read, for a field or placeholder that
    does not exist, and for a value of the wrong kind.
    """
    source, apps = _read(path)
    found = apps.get(name)
    if not isinstance(found, dict):
        known = ", ".join(apps) or "none"
        raise UsageError(f"{path} has no app {name!r}", hint=f"add [apps.{name}]; known: {known}")
    return _app(found, name, source.at("apps", name), path.parent)


def _read(path: Path) -> tuple[Source, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise UsageError(f"{path}{f':{line[1]}' if line else ''}: {error}") from None
    apps = data.get("apps", {})
    source = Source(path=path, text=text)
    if not isinstance(apps, dict):
        raise source.at("apps").error("`apps` must be a table", hint="write [apps.NAME]")
    return source, apps


def _app(entry: dict[str, Any], name: str, source: Source, folder: Path) -> AppUnderTest:
    for field in entry:
        if field not in FIELDS:
            raise source.at(field).error(
                f"the app {name} has no field {field!r}", hint=f"known: {', '.join(FIELDS)}"
            )
    knobs = _knobs(entry, source)
    known = dict.fromkeys((*template.KNOWN, *knobs), "tcp://")
    env = _env(entry, source, known)
    return AppUnderTest(
        name=name,
        command=_command(entry, source, known),
        env=env,
        cwd=_cwd(entry, source, folder),
        timers=_timers(entry, source, env),
        knobs=knobs,
        ready=_ready(entry, source),
        journey=_journey(entry, source),
        phases=tuple(source.texts(entry, "phases")),
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
    cwd = source.text_of(entry, "cwd")
    return str((folder / cwd).resolve()) if cwd else ""


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
