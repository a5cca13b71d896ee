"""A command and variables in TOML, whose texts are templates."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from crashloop.apps.template import fill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.apps.table import Table

NUL = "\0"


def read_command(table: Table, field: str, known: Mapping[str, str]) -> tuple[str, ...]:
    """The words of a command, split as a shell would; UsageError for an unknown placeholder."""
    here = table.at(field)
    try:
        words = tuple(shlex.split(table.text(field)))
    except ValueError as error:
        raise here.error(f"`{field}` cannot be split as a shell would: {error}") from None
    if any(NUL in word for word in words):
        raise here.error(f"`{field}` has a NUL, which no command can have")
    for word in words:
        fill(word, known, where=f"{here}: `{field}`")
    return words


def read_variables(table: Table, known: Mapping[str, str]) -> dict[str, str]:
    """The variables of `env`; UsageError for an unknown placeholder, and for what none can be."""
    variables = table.table("env")
    for name in variables.values:
        text = variables.text(name)
        if not name or "=" in name or NUL in name + text:
            raise variables.at(name).error(
                f"{name!r} cannot be a variable: its name is not empty and has no =, and neither "
                "it nor its value has a NUL"
            )
        fill(text, known, where=f"{variables.at(name)}: {name}")
    return dict(variables.values)
