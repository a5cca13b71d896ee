"""The user's own remedies, and the platform, as an entry names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.apps.commands import read_command, read_variables
from crashloop.errors import UsageError
from crashloop.model import OwnRemedy
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.apps.table import Table

FIELDS = ("env", "command", "platform")


def read_remedies(
    entry: Table, in_command: Mapping[str, str], in_env: Mapping[str, str]
) -> dict[str, OwnRemedy]:
    """Each of `remedies` by name; the two mappings are the placeholders known there."""
    found = {}
    for name, table in entry.tables("remedies").items():
        table.require_fields(FIELDS, of=f"the remedy {name}")
        found[name] = remedy = OwnRemedy(
            env=read_variables(table, in_env),
            command=read_command(table, "command", in_command),
            platform=read_platform(table),
        )
        if remedy == OwnRemedy():
            raise table.source.error(
                f"the remedy {name} changes nothing", hint=f"give it one of: {', '.join(FIELDS)}"
            )
    return found


def read_platform(table: Table) -> str:
    """The text of `platform`, which names a known one; "" if there is none."""
    text = table.text("platform")
    if text:
        try:
            parse_platform(text)
        except UsageError as error:
            raise table.at("platform").error(error.message, hint=error.hint) from None
    return text
