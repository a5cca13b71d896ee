"""A schema that is made or expected at the start.

Words: PostgreSQL 18 and 15; the indexes are the catalogue's own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crashloop.diagnosis.cause import Cause, InLogs, Sign
from crashloop.diagnosis.signs import error, restarts, server_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.diagnosis.case import Case
    from crashloop.trace.event import Event

_CATALOGUE = (
    r'duplicate key value violates unique constraint "pg_(?:type_typname_nsp|class_relname_nsp'
    r'|namespace_nspname|extension_name|proc_proname_args_nsp)_index"'
)
_EXISTS = r'(?:relation|type) "[^"]*" already exists'
_victim = error("a deadlock", message="^deadlock detected")
_victim_40p01 = error("a deadlock", sqlstates=("40P01",))
# Who waits for a row waits for the transaction that wrote it; who changes a table, for the table.
_OF_A_TABLE = r"Process \d+ waits for \w+ on relation "
_told_of_a_table = server_log("a table", message="^deadlock detected", detail=_OF_A_TABLE)
_race = error("a table was made twice at once", message=_CATALOGUE)
_race_or_exists = error("a table was made twice", message=f"{_CATALOGUE}|{_EXISTS}")


def _raced(case: Case) -> Sequence[Event]:
    """The errors of a race, in half of the lives that failed: the catalogue's index in one."""
    theirs = [event for life in case.failed for event in life.errors]
    is_race = any("unique constraint" in str(e.data) and "pg_" in str(e.data) for e in theirs)
    return _race.look(case) or (_race_or_exists.look(case) if is_race else ())


def _deadlocked_over_a_table(case: Case) -> Sequence[Event]:
    """The deadlocks that ended starts, if a DETAIL says so: the app's error's or the server's."""
    victims = _victim_40p01.look(case) or _victim.look(case)
    of_app = any(re.search(_OF_A_TABLE, str(event.data.get("error"))) for event in victims)
    said = _told_of_a_table.look(case)
    return [*victims, *said] if victims and (of_app or said) else ()


CAUSES = (
    Cause(
        id="workers-race-in-create-all",
        title="processes make the same tables at the same time",
        meaning="Each worker creates the tables if they are not there, and two of them do at once: "
        "on a fresh database only.",
        in_logs=InLogs(
            decides=(
                Sign(
                    says="Postgres' own catalogue refused the second of two equal tables or types",
                    look=_raced,
                ),
            ),
            points=(
                server_log("the server refused it, too", message=_CATALOGUE),
                restarts(),
            ),
            next="create or migrate once, in a job before the workers start",
        ),
    ),
    Cause(
        id="startup-ddl-deadlock",
        title="processes that change the schema at their start deadlock",
        meaning="Two of them hold what the other waits for; Postgres ends one (SQLSTATE 40P01).",
        in_logs=InLogs(
            decides=(
                Sign(
                    says="the app's start was a deadlock's victim, and one of them waited for a "
                    "table",
                    look=_deadlocked_over_a_table,
                ),
            ),
            points=(
                server_log("the server found it", message="^deadlock detected"),
                restarts(),
            ),
            next="the two statements in the server's DETAIL and CONTEXT; migrate in one job only",
        ),
    ),
    Cause(
        id="schema-not-migrated",
        title="a table that the app reads at its start is not there",
        meaning="The database answers and lacks a table (SQLSTATE 42P01): it was never migrated, "
        "or the app looks in another schema or database.",
        in_logs=InLogs(
            decides=(
                error(
                    "a table does not exist",
                    types=("UndefinedTable", "UndefinedTableError"),
                    message=r'relation ".*" does not exist',
                ),
            ),
            points=(
                server_log("the server refused it", message=r'^relation ".*" does not exist'),
                restarts(),
            ),
            next="alembic current against this database, and the search_path of the role",
        ),
    ),
)
