"""A table of the app's, as a user names it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crashloop.errors import UsageError

if TYPE_CHECKING:
    from crashloop.faults.base import Fault

IS = 'a table, as in orders, app.orders or "Orders"'
MOST_BYTES = 63
"""Of a name: Postgres cuts off what is longer."""

_NAME = r'(?:[^\W\d][\w$]*|"(?:[^"\0]|"")+")'
_TABLE = re.compile(rf"(?:({_NAME})\.)?({_NAME})")


def require_table(fault: Fault, table: str) -> None:
    """Raise UsageError for what Postgres would not read as a table's name."""
    found = _TABLE.fullmatch(table)
    if found is None or any(len(name.encode()) > MOST_BYTES for name in found.groups() if name):
        raise UsageError(f"the fault {fault.kind} got table={table!r}", hint=f"table is {IS}")
