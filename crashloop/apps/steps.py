"""The steps of a journey in TOML, each a table with `request`, `websocket` or `sql`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from crashloop.apps.template import fill_all
from crashloop.model import RequestStep, SqlStep, WebSocketStep

if TYPE_CHECKING:
    from crashloop.apps.source import Source
    from crashloop.model import Step

FIELDS = {
    "request": ("request", "json", "status", "contains"),
    "websocket": ("websocket", "send", "expect"),
    "sql": ("sql", "equals", "target"),
}
PATH = r"/[!-~]*"
KNOWN = {"key": "a UUID"}
"""The placeholders of a step."""


def read(step: dict[str, Any], source: Source) -> Step:
    """One step; UsageError if it is none."""
    kinds = [kind for kind in FIELDS if kind in step]
    if len(kinds) != 1:
        raise source.error("a step has one of `request`, `websocket` and `sql`")
    (kind,) = kinds
    for field in step:
        if field not in FIELDS[kind]:
            raise source.at(field).error(
                f"a step with `{kind}` has no field {field!r}",
                hint=f"known: {', '.join(FIELDS[kind])}",
            )
    fill_all(step, KNOWN, where=f"{source}: the journey")
    if kind == "request":
        return _request(step, source)
    return _websocket(step, source) if kind == "websocket" else _sql(step, source)


def request_line(step: dict[str, Any], source: Source) -> tuple[str, str]:
    """The method and the path of `request`; UsageError if it is not "METHOD /path"."""
    text = source.text_of(step, "request")
    line = re.fullmatch(rf"([A-Z]+) ({PATH})", text)
    if line is None:
        raise source.error(f'`request` must be "METHOD /path", not {text!r}')
    return line[1], line[2]


def _request(step: dict[str, Any], source: Source) -> RequestStep:
    method, path = request_line(step, source)
    status = step.get("status", 200)
    if not isinstance(status, int) or status not in range(100, 600):
        raise source.at("status").error(f"`status` must be a status of HTTP, not {status!r}")
    return RequestStep(
        method=method,
        path=path,
        json=step.get("json"),
        status=status,
        contains=source.text_of(step, "contains"),
    )


def _websocket(step: dict[str, Any], source: Source) -> WebSocketStep:
    path = source.text_of(step, "websocket")
    if not re.fullmatch(PATH, path) or "send" not in step:
        raise source.error("`websocket` is a path that begins with /, and needs a `send`")
    return WebSocketStep(path=path, send=step["send"], expect=source.table(step, "expect"))


def _sql(step: dict[str, Any], source: Source) -> SqlStep:
    equals = step.get("equals")
    if not isinstance(equals, str | int | float):
        raise source.error("`sql` needs `equals`: a text, a number, or true or false")
    return SqlStep(
        sql=source.text_of(step, "sql"),
        equals=equals,
        target=source.text_of(step, "target", "postgres"),
    )
