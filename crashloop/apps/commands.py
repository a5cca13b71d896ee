"""A command and variables in TOML, whose texts are templates."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from crashloop.apps.template import fill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.apps.table import Table


def read_command(table: Table, field: str, known: Mapping[str, str]) -> tuple[str, ...]:
    """The words of a command, split as a shell would; UsageError for an unknown placeholder."""
    here = table.at(field)
    try:
        words = tuple(shlex.split(table.text(field)))
    except ValueError as error:
        raise here.error(f"`{field}` cannot be split as a shell would: {error}") from None
    for word in words:
        fill(word, known, where=f"{here}: `{field}`")
    return words


def read_variables(table: Table, known: Mapping[str, str]) -> dict[str, str]:
    """The variables of `env`; UsageError for an unknown placeholder."""
    variables = table.table("env")
    for name in variables.values:
        fill(variables.text(name), known, where=f"{variables.at(name)}: {name}")
    return dict(variables.values)
