"""The user account and the environment variables of child processes."""

from __future__ import annotations

import contextlib
import os
import pwd
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.engines.reaper import RUN_VARIABLE
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Mapping

UNPRIVILEGED_ACCOUNTS = ("postgres", "nobody")
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An existing user of this machine that a child runs as when the harness is root."""

    name: str
    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """The account for servers that refuse to run as root; None when the harness is not root.

    `postgres` where it exists, else `nobody`. Raises HarnessError when neither does.
    """
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED_ACCOUNTS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise HarnessError(
        "Postgres does not run as root, and neither user postgres nor user nobody exists here",
        hint="run crashloop as an ordinary user",
    )


def clean_environment(
    mark: str | None,
    extra: Mapping[str, str] | None = None,
    inherited: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The few variables that children inherit, or `inherited`; the run's mark; then `extra`.

    Other variables are not inherited: a PYTHONPATH, a PGHOST or a proxy setting of the user's shell
    would change the run.
    """
    if inherited is None:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name in KEPT_VARIABLES or name.startswith("LC_")
        }
    marked = {} if mark is None else {RUN_VARIABLE: mark}
    return {**inherited, **marked, **(extra or {})}
