"""The steps of a migration, in the words of what runs it.

Alembic 1.20: runtime/migration.py. Django 5.2: management/commands/migrate.py, which ends the line
with OK when the step is done.
"""

from __future__ import annotations

import re

from crashloop.logs.event import LogEvent

MIGRATES = "log.migrates"
"""The kind: a step of a migration begins, as `text` says."""
MAX_CHARS = 500
_STEP = re.compile(
    r"\bRunning (?:upgrade|stamp_revision) [\w, ()]{0,200}-> \w{1,80}.*"
    r"|^ {0,4}Applying \w{1,100}\.\w{1,200}\.\.\."
)


def migration_event(text: str, at_ns: int) -> LogEvent | None:
    """The step that a line says begins; None for any other line, and where the step is done."""
    line = text[:MAX_CHARS].rstrip()
    found = _STEP.search(line)
    if found is None or found.end() != len(line):
        return None
    return LogEvent(kind=MIGRATES, data={"text": found[0].strip()}, at_ns=at_ns)
