"""An app's entry in TOML: the fields of `[apps.NAME]`, each read and checked on its own.

See docs/your-app.md for what each field means, and `crashloop.apps.placeholders` for the
placeholders in `command`, `setup`, `env`, `journey` and `before`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crashloop.apps import template
from crashloop.apps.commands import read_command, read_variables
from crashloop.apps.file import read_apps, table_of
from crashloop.apps.placeholders import LIMIT, OF_APP, TARGET, of_app
from crashloop.apps.ready import read_ready
from crashloop.apps.remedies import read_platform, read_remedies
from crashloop.apps.services import TRANSPORTS, read_dependencies, read_services
from crashloop.apps.steps import read_before, read_journey
from crashloop.apps.table import Table, known_names
from crashloop.clock import REAL_TIME, TimeScale
from crashloop.errors import UsageError
from crashloop.model import AppUnderTest

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.model import Value

PHASE = "lifespan"
"""The one phase of an app that the wrapper logs."""

_NAME = re.compile(r"\w[\w.-]*")  # it is a part of file names, and an argument
_KNOB = re.compile(r"[A-Za-z_]\w*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_EXIT_CODES = range(256)


def load_entry(path: Path, name: str) -> AppUnderTest:
    """The app `name` of the file.

    Raises UsageError, with file and line, for what cannot be read, for a field or placeholder that
    does not exist, and for a value of the wrong kind.
    """
    source, apps = read_apps(path)
    place = table_of(source)
    if name not in apps:
        raise UsageError(f"{place}: there is no app {name!r}", hint=known_names(name, apps))
    table = Table(values=apps, source=place).table(name)
    if not _NAME.fullmatch(name):
        raise table.source.error(
            f"{name!r} cannot be the name of an app",
            hint="a name has letters, digits, _, - and ., and begins with a letter, a digit or _",
        )
    table.require_fields(FIELDS, of=f"the app {name}")
    entry = Entry(table=table, folder=path.parent)
    read = {attribute: reader(entry) for attribute, (reader, *_) in ATTRIBUTES.items()}
    return AppUnderTest(name=name, source=str(table.source), **read)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry's table, and the folder that its paths are relative to."""

    table: Table
    folder: Path

    @property
    def is_image(self) -> bool:
        """Whether a container brings the app and its environment."""
        return bool(self.table.text("image") or self.table.text("build"))

    def placeholders(self) -> dict[str, str]:
        """Every placeholder that `env` may have."""
        known = dict.fromkeys(of_app(self.table.tables("services")), "tcp://")
        knobs = {LIMIT[0]: template.LIMIT_S, **_declared_knobs(self)}
        return known | template.knob_values(knobs, TimeScale(factor=REAL_TIME))

    def in_command(self) -> dict[str, str]:
        """Every placeholder that `command` may have."""
        target = {TARGET: template.WRAPPER} if "wrap" in self.table else {}
        return self.placeholders() | target

    def used(self) -> dict[str, str]:
        """The placeholders that the entry uses, each with where it stands first."""
        found: dict[str, str] = {}
        for table in (self.table, *self.table.tables("remedies").values()):
            texts = {f"`{field}`": table.text(field) for field in ("command", "setup")}
            for where, text in (texts | read_variables(table, self.placeholders())).items():
                for name in template.names_in([text]):
                    found.setdefault(name, where)
        return found


def _command(entry: Entry) -> tuple[str, ...]:
    words = read_command(entry.table, "command", entry.in_command())
    if not words and not entry.is_image:
        raise entry.table.at("command").error(
            "an app needs a `command`", hint='command = "{python} -m shop"'
        )
    return words


def _cwd(entry: Entry) -> str:
    """The folder in which the app runs: on this machine, or in the container of an image."""
    if entry.is_image:
        return entry.table.text("cwd")
    return _folder(entry, "cwd") if "cwd" in entry.table else str(entry.folder.resolve())


def _folder(entry: Entry, field: str) -> str:
    """A folder relative to the file's; "" where none is given."""
    given = entry.table.text(field)
    if template.names_in([given]) & set(OF_APP):
        raise entry.table.at(field).error(f"`{field}` takes no placeholder: {given!r}")
    return str((entry.folder / Path(given).expanduser()).resolve()) if given else ""


def _without(entry: Entry, field: str, *others: str) -> None:
    """Refuse other fields beside a field that is given."""
    for other in others:
        if field in entry.table and other in entry.table:
            raise entry.table.at(field).error(f"`{field}` and `{other}` exclude each other")


def _venv(entry: Entry) -> str:
    _without(entry, "venv", "image", "build")
    return _folder(entry, "venv")


def _image(entry: Entry) -> str:
    _without(entry, "image", "build")
    return entry.table.text("image")


def _wrap(entry: Entry) -> str:
    """The ASGI app to wrap, which the command must then start through `{target}`."""
    _without(entry, "wrap", "phases")
    target = entry.table.text("wrap")
    if "wrap" in entry.table and not _TARGET.fullmatch(target):
        raise entry.table.at("wrap").error(f'`wrap` must be "module:name", not {target!r}')
    if target and TARGET not in template.names_in([entry.table.text("command")]):
        raise entry.table.at("wrap").error(
            "`wrap` has no effect, as `command` does not start {target}",
            hint=f"write {{target}} for {target} in `command`",
        )
    return target


def _phases(entry: Entry) -> tuple[str, ...]:
    return (PHASE,) if "wrap" in entry.table else entry.table.texts("phases")


def _inherit_env(entry: Entry) -> tuple[str, ...]:
    if "inherit_env" not in entry.table:
        return AppUnderTest(name="", command=()).inherit_env
    return entry.table.texts("inherit_env")


def _secrets(entry: Entry) -> tuple[str, ...]:
    """The names of `secrets`, each a variable of an `env` or one that `inherit_env` covers."""
    envs = (each.table("env").values for each in entry.table.tables("remedies").values())
    variables = [*entry.table.table("env").values, *chain(*envs), *_inherit_env(entry)]
    secrets = entry.table.texts("secrets")
    for name in secrets:
        if not any(fnmatchcase(name, variable) for variable in variables):
            raise entry.table.at("secrets").error(
                f"the secret {name} is neither in `env` nor in `inherit_env`",
                hint="a secret is a variable that the app gets",
            )
    return secrets


def _timers(entry: Entry) -> tuple[str, ...]:
    timers = entry.table.texts("timers")
    env = entry.table.table("env")
    remedies = [each.table("env") for each in entry.table.tables("remedies").values()]
    for name in timers:
        if name not in env:
            raise entry.table.at("timers").error(
                f"the timer {name} is not in `env`", hint="a timer is a variable"
            )
        for table in (env, *remedies):
            if name in table:
                template.seconds(table.text(name), where=f"{table.at(name)}: {name}")
    return timers


def _knobs(entry: Entry) -> dict[str, Value]:
    knobs = _declared_knobs(entry)
    is_used = any(name in entry.used() for name in LIMIT)
    return knobs if not is_used or LIMIT[0] in knobs else {LIMIT[0]: template.LIMIT_S, **knobs}


def _declared_knobs(entry: Entry) -> dict[str, Value]:
    table = entry.table.table("knobs")
    for name, value in table.values.items():
        here = table.at(name)
        if not _KNOB.fullmatch(name) or name in (*OF_APP, TARGET):
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
    return dict(table.values)


ATTRIBUTES: dict[str, tuple[Callable[[Entry], Any], *tuple[str, ...]]] = {
    # attribute: how it is read, and the fields that it is read from
    "services": (lambda entry: read_services(entry.table), "services"),
    "command": (_command, "command"),
    "image": (_image, "image"),
    "build": (lambda entry: _folder(entry, "build"), "build"),
    "cwd": (_cwd, "cwd"),
    "venv": (_venv, "venv"),
    "wrap": (_wrap, "wrap"),
    "phases": (_phases, "phases"),
    "setup": (lambda entry: read_command(entry.table, "setup", entry.placeholders()), "setup"),
    "env": (lambda entry: read_variables(entry.table, entry.placeholders()), "env"),
    "inherit_env": (_inherit_env, "inherit_env"),
    "masked_env": (_secrets, "secrets"),
    "knobs": (_knobs, "knobs"),
    "timers": (_timers, "timers"),
    "dependencies": (lambda entry: read_dependencies(entry.table, entry.used()), "dependencies"),
    "transport": (lambda entry: entry.table.choice("transport", TRANSPORTS), "transport"),
    "ready": (lambda e: read_ready(e.table), "ready", "ready_every_s", "start_within_s"),
    "journey": (lambda entry: read_journey(entry.table), "journey", "patient_journey"),
    "before": (lambda entry: read_before(entry.table), "before"),
    "exit_codes": (lambda entry: entry.table.integers("exit_codes", _EXIT_CODES), "exit_codes"),
    "port_before_ready": (
        lambda entry: entry.table.choice("port_before_ready", ("report", "allow", "forbid")),
        "port_before_ready",
    ),
    "platform": (lambda entry: read_platform(entry.table), "platform"),
    "recover_within_s": (
        lambda entry: entry.table.seconds("recover_within_s", 0.0),
        "recover_within_s",
    ),
    "remedies": (
        lambda entry: read_remedies(
            entry.table, entry.in_command(), entry.placeholders(), _knobs(entry)
        ),
        "remedies",
    ),
}
FIELDS = tuple(field for _, *fields in ATTRIBUTES.values() for field in fields)
