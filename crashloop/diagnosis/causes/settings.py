"""Settings that are wrong or missing.

Words: pydantic-settings 2.16 with pydantic 2.14, python-decouple 3.8, environs 14, django-environ
0.12, SQLAlchemy 2.1, asyncpg 0.32, psycopg 3.3, Python 3.11.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crashloop.diagnosis.cause import Cause, InLogs
from crashloop.diagnosis.chain import class_name, links
from crashloop.diagnosis.infrastructure import is_infrastructure
from crashloop.diagnosis.signs import answered, error, fatal, restarts, server_log

if TYPE_CHECKING:
    from crashloop.trace.event import Event

_INVALID = r"^\d+ validation errors? for "
_OF_SETTINGS = _INVALID + r"\w*(?:[Ss]etting|[Cc]onfig|[Ee]nv(?!elope))"
_INJECTED = r"tcp://\d{1,3}(?:\.\d{1,3}){3}:\d{1,5}"
_VARIABLE = re.compile(r"'[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+'")
_ENVIRON = re.compile(r"(?:<frozen os>|(?:.*/)?os\.py):__getitem__")


def _is_of_environment(event: Event) -> bool:
    """Whether `os.environ` raised a KeyError: an Enum and a dictionary of the app do, too.

    The innermost frame tells; the app's own structured lines have none.
    """
    is_own = event.kind == "phase.failed"
    if any(map(is_infrastructure, links(event)[:1])):
        return False  # it was handled, and what was done in its place failed
    return any(
        _ENVIRON.fullmatch(str(link["where"]))
        if link.get("where")
        else is_own and _VARIABLE.fullmatch(str(link.get("message")))
        for link in links(event)
        if class_name(link) == "KeyError"
    )


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
                error(
                    "the URL is of a database",
                    types=("ValueError",),
                    message=r"^invalid .*(?:postgres|mysql|mariadb|oracle|mssql)",
                ),
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
                answered("the server has no such role", detail=r'^Role ".*" does not exist'),
                error("the app was refused with 28P01", sqlstates=("28P01",)),
            ),
            explains=("missing-role", "missing-database"),
            next="the lines of the .env file: a comment on the line of a value became part of it",
        ),
    ),
    Cause(
        id="missing-setting",
        title="a setting that the app needs is not set",
        meaning="The app stops while it reads its settings: one that it needs has no value.",
        in_logs=InLogs(
            decides=(
                error(
                    "a field of the settings is required and has no value",
                    types=("ValidationError",),
                    message=_OF_SETTINGS + r"(?s:.*)\n  Field required \[type=missing",
                ),
                fatal("an environment variable was looked up and is not there", _is_of_environment),
                error(
                    "a settings library names the variable that is not set",
                    message=r"^(?:\w+ not found\. Declare it as envvar or define a default value\."
                    r"|Environment variable \"\w+\" not set|Set the \w+ environment variable)",
                ),
            ),
            points=(
                error("a value is required", types=("ValidationError",), message="type=missing"),
                restarts(),
            ),
            explains=("wrong-setting", "kubernetes-variable-overrides-a-setting"),
            next="the variable that the line names, in the environment of this deployment",
        ),
    ),
    Cause(
        id="kubernetes-variable-overrides-a-setting",
        title="Kubernetes' variable of a service overrides a setting",
        meaning="A service NAME gives each pod NAME_PORT=tcp://ADDRESS:PORT, and the app reads it "
        "as its own setting.",
        in_logs=InLogs(
            decides=(
                error(
                    "a setting's value is the address that Kubernetes writes for a service",
                    types=("ValidationError",),
                    message=rf"input_value='{_INJECTED}'",
                ),
                error(
                    "a number was expected where Kubernetes writes a service's address",
                    types=("ValueError",),
                    message=rf"^invalid literal for int\(\) with base 10: '{_INJECTED}'",
                ),
            ),
            points=(restarts(),),
            explains=("wrong-setting",),
            next="enableServiceLinks: false in the pod, or another name for the setting",
        ),
    ),
    Cause(
        id="wrong-setting",
        title="a setting has a value that cannot be read",
        meaning="The app stops while it reads its settings: a value is not what it must be.",
        in_logs=InLogs(
            decides=(
                error(
                    "a field of the settings has a value of another kind",
                    types=("ValidationError",),
                    message=_OF_SETTINGS + r"(?s:.*)\[type=(?!missing)\w+",
                ),
                error(
                    "the database URL is none",
                    message=r"^(?:Could not parse SQLAlchemy URL from given URL string"
                    r"|invalid DSN: |missing \"=\" after \".*\" in connection info string)",
                ),
                error(
                    "the database URL names a dialect that is not there",
                    types=("NoSuchModuleError",),
                    message=r"^Can't load plugin: sqlalchemy\.dialects:",
                ),
            ),
            points=(restarts(),),
            next="that setting's value as the app's process has it, quotes and blanks included",
        ),
    ),
)
