"""When an app is ready, as its entry says: its port, a request, or a line of its output."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.apps.steps import request_line
from crashloop.apps.table import Table
from crashloop.model import Ready

if TYPE_CHECKING:
    from typing import Any

LOG = "log:"
FORMS = '"GET /path", "log:REGEX", or a table of `request` and `json`'


def read_ready(entry: Table) -> Ready:
    """The rule of `ready`, `ready_every_s` and `start_within_s`; UsageError if it is none."""
    ready = Ready()
    ready = Ready(
        every_s=entry.seconds("ready_every_s", ready.every_s),
        within_s=entry.seconds("start_within_s", ready.within_s),
    )
    given: Any = entry.values.get("ready")
    if given is None:
        return ready
    if isinstance(given, str) and given.startswith(LOG):
        return replace(ready, log=_pattern(entry, given.removeprefix(LOG)))
    table = _table(entry, given)
    method, path = request_line(table)
    if method != "GET":
        raise table.at("request").error(f"`ready` asks by GET, not by {method}")
    if "{" in path or "}" in path:
        raise table.at("request").error(f"`ready` takes no placeholder, and no brace: {path!r}")
    return replace(ready, path=path, json=table.table("json").values)


def _table(entry: Table, given: object) -> Table:
    if isinstance(given, str):
        return Table(values={"request": given}, source=entry.at("ready"))
    if not isinstance(given, dict):
        raise entry.at("ready").error(f"`ready` must be {FORMS}, not {given!r}")
    table = entry.table("ready")
    table.require_fields(("request", "json"), of="`ready`")
    return table


def _pattern(entry: Table, text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise entry.at("ready").error(
            f"`ready` is no regular expression after `{LOG}`: {error}"
        ) from None
    if not text:
        raise entry.at("ready").error(f"`ready` needs a regular expression after `{LOG}`")
    return text
