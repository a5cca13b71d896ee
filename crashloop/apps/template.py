"""Templates of an app's command and environment, and the knobs that incidents change in them.

`{name}` is a placeholder, `{{` and `}}` are literal braces. `{postgres.url+DRIVER}` is the URL of
a dependency with the name of a driver after its scheme: `postgresql+DRIVER://`. A knob that ends in
`_s`, such as `limit_s`, is also there in milliseconds, `{limit_ms}`; both can be divided by a
number: `{limit_s/5}`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crashloop.apps.placeholders import TARGET, base_of, service, unknown
from crashloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crashloop.clock import TimeScale
    from crashloop.model import AppUnderTest, Value

LIMIT_S = 20.0
"""The knob `limit_s` of an entry that uses it and does not give it: issue 1278's."""

WRAPPER = "crashloop_wrap:app"
"""What `{target}` stands for: the ASGI app of the wrapper."""

SECONDS = "_s"
MILLISECONDS = "_ms"
_TOKEN = re.compile(r"\{\{|\}\}|\{(?P<name>[^{}]*)\}|[{}]")
_DIVISOR = re.compile(r"\d{1,9}(?:\.\d{1,9})?")


def render(
    app: AppUnderTest, values: Mapping[str, str], scale: TimeScale
) -> tuple[list[str], dict[str, str]]:
    """The command and the environment of one life.

    `values` are the placeholders' values by name: `host`, `port`, `postgres.url`, and so on. Knobs
    that end in `_s` and the variables that `timers` names become wall seconds with 6 decimals.
    Raises UsageError for a placeholder that has no value, and for a timer that is not a number.
    """
    known = {**values, **knob_values(app.knobs, scale)}
    in_command = {**known, TARGET: WRAPPER} if app.wrap else known
    where = f"the command of app {app.name}"
    command = [fill(word, in_command, where=where) for word in app.command]
    environment = {}
    for name, text in app.env.items():
        where = f"{name} of app {app.name}"
        is_timer = name in app.timers
        environment[name] = (
            _time(SECONDS, scale.wall_s(seconds(text, where=where)))
            if is_timer
            else fill(text, known, where=where)
        )
    return command, environment


def knob_values(knobs: Mapping[str, Value], scale: TimeScale) -> dict[str, str]:
    """The placeholders of knobs; those that end in `_s` are scaled, and are also milliseconds."""
    values = {}
    for name, value in knobs.items():
        values[name] = text_of(value)
        if name.endswith(SECONDS):
            wall_s = scale.wall_s(float(value))
            values[name] = _time(name, wall_s)
            in_ms = milliseconds(name)
            values[in_ms] = _time(in_ms, wall_s * 1000)
    return values


def milliseconds(knob: str) -> str:
    """The placeholder of a knob that ends in `_s` in milliseconds."""
    return knob.removesuffix(SECONDS) + MILLISECONDS


def knobs_used(app: AppUnderTest) -> set[str]:
    """The knobs that the command or the environment has a placeholder of."""
    names = names_in((*app.command, *app.env.values()))
    return {
        knob
        for knob in app.knobs
        if knob in names or (knob.endswith(SECONDS) and milliseconds(knob) in names)
    }


def knobs_lacking(app: AppUnderTest, knobs: Iterable[str]) -> list[str]:
    """The knobs that the app does not have; all of them where it has a placeholder of none."""
    names = [*knobs]
    missing = [name for name in names if name not in app.knobs]
    return missing or ([] if knobs_used(app) & set(names) else names)


def names_in(texts: Iterable[str]) -> set[str]:
    """The names of the placeholders in the texts, without drivers and divisors."""
    found = (match["name"] for text in texts for match in _TOKEN.finditer(text))
    return {base_of(name) for name in found if name is not None}


def is_scalable(app: AppUnderTest) -> bool:
    """Whether the app takes a time from crashloop, so that its waiting can be scaled at all."""
    return bool(app.timers) or any(knob.endswith(SECONDS) for knob in knobs_used(app))


def is_one_placeholder(text: str) -> bool:
    """Whether a text is a placeholder and nothing else."""
    match = _TOKEN.fullmatch(text)
    return match is not None and match["name"] is not None


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


def fill(text: str, values: Mapping[str, str], *, where: str) -> str:
    """The text with each placeholder replaced; UsageError, which begins with `where`, if not."""

    def token(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return _literal(match[0], text, where)
        value = _value(name, values)
        if value is None:
            raise unknown(name, text, values, where=where)
        return value

    return _TOKEN.sub(token, text)


def _value(name: str, values: Mapping[str, str]) -> str | None:
    """The value of a placeholder; None if it has no meaning."""
    base, slash, divisor = name.partition("/")
    if slash and base in values and base.endswith((SECONDS, MILLISECONDS)):
        number = float(divisor) if _DIVISOR.fullmatch(divisor) else 0.0
        return _time(base, float(values[base]) / number) if number else None
    base, plus, driver = name.partition("+")
    if plus and base in values and _is_driver(base, driver):
        scheme, rest = values[base].split("://", 1)
        return f"{scheme}+{driver}://{rest}"
    return values.get(name)


def fill_all(value: Any, values: Mapping[str, str], *, where: str) -> Any:
    """A JSON value with the placeholders of every text in it replaced, keys of objects excepted."""
    if isinstance(value, str):
        return fill(value, values, where=where)
    if isinstance(value, dict):
        return {name: fill_all(each, values, where=where) for name, each in value.items()}
    if isinstance(value, list):
        return [fill_all(each, values, where=where) for each in value]
    return value


def _is_driver(base: str, driver: str) -> bool:
    """Whether `{base+driver}` has a meaning: only the URL of a database or a cache takes one."""
    takes_one = base.endswith(".url") and not base.startswith(service(""))
    return takes_one and bool(re.fullmatch(r"\w+", driver))


def seconds(text: str, *, where: str) -> float:
    """The literal number of seconds of a timer; UsageError if it is something else."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UsageError(
            f"{where} is a timer, and {text!r} is not a number of seconds",
            hint="give a literal number, or take the name out of `timers`; a placeholder such as "
            "{limit_s} is scaled already",
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


def _time(name: str, value: float) -> str:
    """Seconds with 6 decimals, or whole milliseconds: 1 at least, as 0 often means no limit."""
    if name.endswith(SECONDS):
        return f"{value:.6f}"
    return str(max(1, round(value)) if value else 0)


_TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _fits(value: Value, default: Value, *, is_seconds: bool) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if is_seconds or isinstance(default, float):
        return isinstance(value, int | float) and 0 <= value < float("inf")
    return isinstance(value, type(default))
