"""The steps of a journey in TOML, each a table with `request`, `websocket` or `sql`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from crashloop.apps.placeholders import STEP
from crashloop.apps.template import fill_all
from crashloop.model import Journey, RequestStep, SqlStep, WebSocketStep

if TYPE_CHECKING:
    from typing import Any

    from crashloop.apps.table import Table
    from crashloop.model import Step

FIELDS = {
    "request": ("request", "json", "status", "contains", "within_s"),
    "websocket": ("websocket", "send", "expect", "within_s"),
    "sql": ("sql", "equals", "target", "within_s"),
}
PATH = r"/[!-~]*"
WITHIN_S = 5.0
_VALUES = dict.fromkeys(STEP, "0")


def read_steps(entry: Table, field: str) -> tuple[Step, ...]:
    """The steps under a field; UsageError if one is none."""
    return tuple(_step(step, f"`{field}`") for step in entry.steps(field))


def read_journey(entry: Table) -> Journey:
    """The journey of an entry, by `journey` and `patient_journey`."""
    return Journey(steps=read_steps(entry, "journey"), patient=entry.flag("patient_journey"))


def read_before(entry: Table) -> tuple[Step, ...]:
    """The steps of `before`; UsageError if none of them could show that its data is still there."""
    steps = read_steps(entry, "before")
    reads = [
        step
        for step in steps
        if isinstance(step, SqlStep) or (isinstance(step, RequestStep) and step.method == "GET")
    ]
    if steps and not reads:
        raise entry.at("before").error(
            "no step of `before` reads, so nothing would be looked for after the fault",
            hint='add one: {request = "GET /orders/{key}", contains = "{key}"}, or a query',
        )
    return steps


def request_line(table: Table) -> tuple[str, str]:
    """The method and the path of `request`; UsageError if it is not "METHOD /path"."""
    text = table.text("request")
    line = re.fullmatch(rf"([A-Z]+) ({PATH})", text)
    if line is None:
        raise table.at("request").error(f'`request` must be "METHOD /path", not {text!r}')
    return line[1], line[2]


def _step(step: Table, whose: str) -> Step:
    kinds = [kind for kind in FIELDS if kind in step]
    if len(kinds) != 1:
        raise step.source.error("a step has one of `request`, `websocket` and `sql`")
    (kind,) = kinds
    step.require_fields(FIELDS[kind], of=f"a step with `{kind}`")
    for field, value in step.values.items():
        fill_all(value, _VALUES, where=f"{step.at(field)}: {whose}")
    for field in ("json", "send", "expect"):
        _require_json(step, field)
    if kind == "request":
        return _request(step)
    return _websocket(step) if kind == "websocket" else _sql(step)


def _require_json(step: Table, field: str) -> None:
    """Refuse what TOML has and JSON has not: a date, a time, infinity."""
    try:
        json.dumps(step.values.get(field), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise step.at(field).error(f"`{field}` cannot be sent as JSON: {error}") from None


def _request(step: Table) -> RequestStep:
    method, path = request_line(step)
    status: Any = step.values.get("status", 200)
    if not isinstance(status, int) or status not in range(100, 600):
        raise step.at("status").error(f"`status` must be a status of HTTP, not {status!r}")
    return RequestStep(
        method=method,
        path=path,
        json=step.values.get("json"),
        status=status,
        contains=step.text("contains"),
        within_s=step.seconds("within_s", WITHIN_S),
    )


def _websocket(step: Table) -> WebSocketStep:
    path = step.text("websocket")
    if not re.fullmatch(PATH, path) or "send" not in step:
        raise step.source.error("`websocket` is a path that begins with /, and needs a `send`")
    return WebSocketStep(
        path=path,
        send=step.values["send"],
        expect=step.table("expect").values,
        within_s=step.seconds("within_s", WITHIN_S),
    )


def _sql(step: Table) -> SqlStep:
    equals: Any = step.values.get("equals")
    if not isinstance(equals, str | int | float):
        raise step.source.error("`sql` needs `equals`: a text, a number, or true or false")
    return SqlStep(
        sql=step.text("sql"),
        equals=equals,
        target=step.text("target", "postgres"),
        within_s=step.seconds("within_s", WITHIN_S),
    )
