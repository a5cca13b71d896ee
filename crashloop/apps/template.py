"""Templates of an app's command and environment, and the knobs that incidents change in them.

`{name}` is a placeholder, `{{` and `}}` are literal braces. `{postgres.url+DRIVER}` is the URL of
a dependency with the name of a driver after its scheme: `postgresql+DRIVER://`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from crashloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.clock import TimeScale
    from crashloop.model import AppUnderTest, Value

PLACES = ("host", "port", "python", "seed", "replica", "attempt")
PARTS = {
    "postgres": ("url", "host", "port", "user", "password", "database"),
    "redis": ("url", "host", "port"),
}
KNOWN = (*PLACES, *(f"{name}.{part}" for name, parts in PARTS.items() for part in parts))
"""Every placeholder but the knobs of the app."""

SECONDS = "_s"
_TOKEN = re.compile(r"\{\{|\}\}|\{(?P<name>[^{}]*)\}|[{}]")
_PORTS = {"postgresql": "5432", "redis": "6379"}


def render(
    app: AppUnderTest, values: Mapping[str, str], scale: TimeScale
) -> tuple[list[str], dict[str, str]]:
    """The command and the environment of one life.

    `values` are the placeholders' values by name: `host`, `port`, `postgres.url`, and so on. Knobs
    that end in `_s` and the variables that `timers` names become wall seconds with 6 decimals.
    Raises UsageError for a placeholder that has no value, and for a timer that is not a number.
    """
    known = dict(values)
    for name, value in app.knobs.items():
        known[name] = _wall(float(value), scale) if name.endswith(SECONDS) else text_of(value)
    command = [fill(word, known, where=f"the command of app {app.name}") for word in app.command]
    environment = {}
    for name, text in app.env.items():
        where = f"{name} of app {app.name}"
        is_timer = name in app.timers
        environment[name] = (
            _wall(seconds(text, where=where), scale) if is_timer else fill(text, known, where=where)
        )
    return command, environment


def with_knobs(app: AppUnderTest, changes: Mapping[str, Value]) -> AppUnderTest:
    """The app with some knobs changed.

    Raises UsageError for a knob that it does not have, and for a value of another type.
    """
    for name, value in changes.items():
        if name not in app.knobs:
            raise UsageError(
                f"the app {app.name} has no knob {name!r}",
                hint=f"known: {', '.join(app.knobs) or 'none'}",
            )
        default = app.knobs[name]
        wanted = "a number of seconds" if name.endswith(SECONDS) else _TYPES[type(default)]
        if not _fits(value, default, is_seconds=name.endswith(SECONDS)):
            raise UsageError(f"the knob {name} of app {app.name} is {wanted}, not {value!r}")
    return replace(app, knobs={**app.knobs, **changes})


def url_values(name: str, url: str) -> dict[str, str]:
    """The placeholders of a dependency from its URL: `NAME.url`, `NAME.host` and the others.

    The host of a Unix socket is its folder for Postgres; Redis has neither host nor port then.
    """
    parts = urlsplit(url)
    values = {f"{name}.url": url}
    if parts.scheme == "unix":
        return values
    query = parse_qs(parts.query)
    host = query.get("host", [parts.hostname or ""])[0]
    port = query.get("port", [str(parts.port or _PORTS[parts.scheme])])[0]
    values |= {f"{name}.host": host, f"{name}.port": port}
    if name == "postgres":
        values |= {
            f"{name}.user": unquote(parts.username or ""),
            f"{name}.password": unquote(parts.password or ""),
            f"{name}.database": unquote(parts.path.strip("/")),
        }
    return values


def fill(text: str, values: Mapping[str, str], *, where: str) -> str:
    """The text with each placeholder replaced; UsageError, which begins with `where`, if not."""

    def token(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return _literal(match[0], text, where)
        base, plus, driver = name.partition("+")
        if base not in values or (plus and not is_driver(base, driver)):
            raise UsageError(
                f"{where}: unknown placeholder {{{name}}} in {text!r}",
                hint=f"known: {', '.join(f'{{{known}}}' for known in values)}; "
                "{{ and }} are literal braces",
            )
        if not plus:
            return values[base]
        scheme, rest = values[base].split("://", 1)
        return f"{scheme}+{driver}://{rest}"

    return _TOKEN.sub(token, text)


def fill_all(value: Any, values: Mapping[str, str], *, where: str) -> Any:
    """A JSON value with the placeholders of every text in it replaced, keys of objects excepted."""
    if isinstance(value, str):
        return fill(value, values, where=where)
    if isinstance(value, dict):
        return {name: fill_all(each, values, where=where) for name, each in value.items()}
    if isinstance(value, list):
        return [fill_all(each, values, where=where) for each in value]
    return value


def is_driver(base: str, driver: str) -> bool:
    """Whether `{base+driver}` has a meaning: only a URL takes a driver."""
    return base.endswith(".url") and bool(re.fullmatch(r"\w+", driver))


def seconds(text: str, *, where: str) -> float:
    """The literal number of seconds of a timer; UsageError if it is something else."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UsageError(
            f"{where} is a timer, and {text!r} is not a number of seconds",
            hint="give a literal number, or take the name out of `timers`",
        )
    return value


def text_of(value: Value) -> str:
    """A value as text: booleans as `true` and `false`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _literal(token: str, text: str, where: str) -> str:
    if len(token) == 1:
        raise UsageError(
            f"{where}: a single {token} in {text!r}", hint=f"write {token * 2} for a literal brace"
        )
    return token[0]


def _wall(incident_s: float, scale: TimeScale) -> str:
    return f"{scale.wall_s(incident_s):.6f}"


_TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _fits(value: Value, default: Value, *, is_seconds: bool) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if is_seconds or isinstance(default, float):
        return isinstance(value, int | float) and 0 <= value < float("inf")
    return isinstance(value, type(default))
