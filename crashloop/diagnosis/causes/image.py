"""An image that does not fit what it finds where it runs."""

from __future__ import annotations

from crashloop.diagnosis.cause import Cause, InLogs
from crashloop.diagnosis.signs import error, restarts, server_was_ready

CAUSES = (
    Cause(
        id="image-older-than-the-schema",
        title="an older image meets the schema of a newer one",
        meaning="The database is at a migration that this image does not have.",
        reproduce="crashloop reproduce image-older-than-the-schema",
        in_logs=InLogs(
            decides=(
                error(
                    "the database is at a revision that the image does not have",
                    types=("CommandError",),
                    message="^Can't locate revision identified by",
                ),
            ),
            points=(
                server_was_ready(),
                restarts(),
            ),
            next="the image's tag beside the one that migrated last: alembic current and heads",
        ),
    ),
    Cause(
        id="read-only-file-system",
        title="a folder that the app writes to is read-only",
        meaning="A write failed with EROFS: nothing that can be written is mounted there.",
        reproduce="crashloop reproduce read-only-file-system",
        in_logs=InLogs(
            decides=(
                error("a file could not be written: EROFS", types=("OSError",), errnos=(30,)),
            ),
            points=(restarts(),),
            next="what is mounted where the path of that line points: a volume or tmpfs is missing",
        ),
    ),
)
