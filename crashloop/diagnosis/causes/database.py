"""A database that is not there, not yet there, or at another address.

Words: PostgreSQL 18 (postmaster.c, miscinit.c), docker-library/postgres' docker-entrypoint.sh,
which starts a temporary server on the Unix socket only, and stops it with a fast shutdown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.diagnosis.cause import Cause, InLogs, Sign
from crashloop.diagnosis.refusals import (
    refused_as_the_server_started,
    refused_at_loopback,
    refused_between_two_servers,
    refused_by_nobody_known,
    temporary_server,
)
from crashloop.diagnosis.signs import became_ready, error, restarts, server_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.diagnosis.case import Case
    from crashloop.trace.event import Event

READY = "^database system is ready to accept connections"
_ready = server_log("the database was ready", message=READY)


def _ready_elsewhere(case: Case) -> Sequence[Event]:
    return _ready.look(case) if refused_at_loopback(case) else ()


CAUSES = (
    Cause(
        id="database-unreachable",
        title="nothing listens at the database's address",
        meaning="Each connection to the database is refused or has no route, at every start.",
        in_logs=InLogs(
            decides=(
                Sign(
                    says="lives ended with a refused connection, and no log is the database's",
                    look=refused_by_nobody_known,
                ),
            ),
            refutes=(
                Sign(says="the database was ready", look=_ready.look),
                became_ready(),
            ),
            next="the database's own log: whether it runs and listens there, and if not, why",
        ),
    ),
    Cause(
        id="localhost-inside-a-container",
        title="the app looks for the database in its own container",
        meaning="The app connects to 127.0.0.1, where nothing listens; the database is ready in a "
        "container of its own.",
        in_logs=InLogs(
            decides=(
                Sign(says="the database was ready in another container", look=_ready_elsewhere),
            ),
            points=(
                Sign(says="the app was refused at its own address", look=refused_at_loopback),
                restarts(),
            ),
            refutes=(became_ready(),),
            explains=("database-unreachable",),
            next="the host in the database URL: the service's name, not localhost",
        ),
    ),
    Cause(
        id="starts-before-its-database",
        title="the app starts before its database is ready",
        meaning="The app was refused, and after that the database became ready for the first time.",
        in_logs=InLogs(
            decides=(
                Sign(
                    says="the app was refused before the database was ready",
                    look=refused_as_the_server_started,
                ),
            ),
            points=(became_ready("a later start succeeded"), restarts()),
            explains=("database-unreachable",),
            next="depends_on with condition: service_healthy, or a retry with a limit in the app",
        ),
    ),
    Cause(
        id="healthy-before-it-is-there",
        title="the health check passes for the temporary server of initdb",
        meaning="On a new volume a temporary server is ready first and stops again; the app starts "
        "in the gap.",
        in_logs=InLogs(
            decides=(
                Sign(
                    says="the app was refused between the temporary server and the real one",
                    look=refused_between_two_servers,
                ),
            ),
            points=(
                Sign(
                    says="the server was ready twice, with a fast shutdown between",
                    look=temporary_server,
                ),
                became_ready("a later start succeeded"),
            ),
            explains=("database-unreachable", "starts-before-its-database"),
            next="pg_isready -h 127.0.0.1 in the health check, for the temporary server has no TCP",
        ),
    ),
    Cause(
        id="disk-full",
        title="a disk is full",
        meaning="A write failed for want of space (ENOSPC, SQLSTATE 53100).",
        in_logs=InLogs(
            decides=(
                error("the app could not write: ENOSPC", errnos=(28,)),
                error("the database could not write: 53100", sqlstates=("53100",)),
                server_log(
                    "the database could not write",
                    severity=("PANIC", "FATAL"),
                    message="No space left on device",
                ),
            ),
            points=(
                server_log("the database had no space", message="No space left on device"),
                restarts(),
            ),
            refutes=(
                error("it is the shared memory that is full", message="shared memory segment"),
            ),
            explains=("database-unreachable",),
            next="df -h and df -i where that path is",
        ),
    ),
    Cause(
        id="database-files-of-another-version",
        title="the database's volume is of another major version",
        meaning="The server refuses to start on files that another major version made.",
        in_logs=InLogs(
            decides=(
                server_log(
                    "the server refused its files",
                    severity=("FATAL",),
                    message="^database files are incompatible with server",
                ),
            ),
            points=(
                server_log(
                    "it names both versions",
                    detail=r"^The data directory was initialized by PostgreSQL version ",
                ),
            ),
            explains=("database-unreachable", "name-does-not-resolve-for-ever"),
            next="the image's tag before: pin its major version, or pg_upgrade the volume",
        ),
    ),
)
