"""Settings that are wrong or missing."""

from __future__ import annotations

from crashloop.diagnosis.cause import Cause, InLogs
from crashloop.diagnosis.signs import error, server_log

CAUSES = (
    Cause(
        id="percent-sign-in-database-url",
        title="a percent sign in the database URL is read as interpolation",
        meaning="Alembic hands the URL to configparser, which reads a percent sign as its own.",
        in_logs=InLogs(
            decides=(
                error(
                    "configparser refused the URL before any connection",
                    types=("ValueError",),
                    message=r"^invalid interpolation syntax in .*://",
                ),
            ),
            points=(
                error("the URL is of a database", message=r"(postgres|mysql|mariadb|oracle|mssql)"),
            ),
            next="how env.py passes the URL: double each %, or pass it by config.attributes",
        ),
    ),
    Cause(
        id="env-file-comment-became-the-value",
        title="a comment in an .env file became part of a value",
        meaning="Names were created with a comment in them, so the role that logs in is not there.",
        reproduce="crashloop reproduce env-file-comment-became-the-value",
        in_logs=InLogs(
            decides=(
                server_log(
                    "a name was created with a comment in it", message=r'^identifier "[^"]* #'
                ),
            ),
            points=(
                server_log("the server has no such role", detail=r'^Role ".*" does not exist'),
                error("the app was refused with 28P01", sqlstates=("28P01",)),
            ),
            next="the lines of the .env file: a comment on the line of a value became part of it",
        ),
    ),
)
