"""The user's own remedies, and the platform, as an entry names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.apps.commands import read_command, read_variables
from crashloop.apps.table import known_names
from crashloop.errors import UsageError
from crashloop.model import OwnRemedy
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.apps.table import Table
    from crashloop.model import Value

FIELDS = ("says", "knobs", "env", "command", "platform")
CHANGES = FIELDS[1:]


def read_remedies(
    entry: Table,
    in_command: Mapping[str, str],
    in_env: Mapping[str, str],
    knobs: Mapping[str, Value],
) -> dict[str, OwnRemedy]:
    """Each of `remedies` by name.

    `in_command` and `in_env` are the placeholders known there, `knobs` what the app has.
    """
    found = {}
    for name, table in entry.tables("remedies").items():
        table.require_fields(FIELDS, of=f"the remedy {name}")
        found[name] = remedy = OwnRemedy(
            says=table.text("says"),
            knobs=_knobs(table.table("knobs"), knobs, of=name),
            env=read_variables(table, in_env),
            command=read_command(table, "command", in_command),
            platform=read_platform(table),
        )
        if "+" in name or "=" in name:
            raise table.source.error(
                f"the remedy {name} has a name with + or =", hint="+ combines remedies"
            )
        if remedy == OwnRemedy(says=remedy.says):
            raise table.source.error(
                f"the remedy {name} changes nothing", hint=f"give it one of: {', '.join(CHANGES)}"
            )
    return found


def _knobs(table: Table, known: Mapping[str, Value], *, of: str) -> dict[str, Value]:
    """The knobs that a remedy turns; each is one of the app's, with a value of its type."""
    for name, value in table.values.items():
        here = table.at(name)
        if name not in known:
            raise here.error(
                f"the remedy {of} turns the knob {name}, which the app does not have",
                hint=known_names(name, known),
            )
        if _type(value) is not _type(known[name]):
            raise here.error(
                f"the remedy {of} gives the knob {name} the value {value!r}",
                hint=f"the app's own is {known[name]!r}",
            )
    return dict(table.values)


def _type(value: object) -> type:
    return float if type(value) is int else type(value)


def read_platform(table: Table) -> str:
    """The text of `platform`, which names a known one; "" if there is none."""
    text = table.text("platform")
    if text:
        try:
            parse_platform(text)
        except UsageError as error:
            raise table.at("platform").error(error.message, hint=error.hint) from None
    return text
