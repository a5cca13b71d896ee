"""The fault of a Postgres that lacks the app's role."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.faults.alone import Alone
from crashloop.faults.database.access import AccessFault
from crashloop.faults.database.base import OF_TARGET, TARGET, refused
from crashloop.faults.parameter import takes
from crashloop.model import CheckSpec, Grade, Receipt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.faults.ports import Ports

MOST_BYTES = 63
"""Postgres cuts off what is longer."""
NOT_IN_NAMES = ",=\0"
"""Clients such as asyncpg do not escape the first two when they log in with SCRAM."""
ROLE_RENAMED = "database.role_renamed"
NAME_IS = f"a role that the server does not have, {MOST_BYTES} bytes at most, without , and ="


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRole(AccessFault):
    """The app's role has another name: each new session is refused with 28P01.

    To the client that is a wrong password; only Postgres' own log says that the role is missing.
    The other name is `other_name`, or a random one.
    """

    kind = "missing_role"
    part = "role"
    receipt = Receipt(grade=Grade.SERVER, kinds=("database.role_unknown",), whose="server")
    alone = Alone(
        target=TARGET,
        shows=(
            *refused("28P01"),
            CheckSpec(check="role_was_unknown", params={**OF_TARGET, "unknown": True}),
        ),
        told_by={"wrong_password": "role_was_unknown", "missing_database": "phase_failed"},
        ends="the role is made, or the URL names the right one; no restart helps",
        example={"other_name": "app_v2"},
    )

    other_name: str = field(default="", metadata=takes("text", says=NAME_IS))

    def __post_init__(self) -> None:
        if len(self.other_name.encode()) > MOST_BYTES or {*self.other_name} & {*NOT_IN_NAMES}:
            raise UsageError(
                f"the fault missing_role got other_name={self.other_name!r}",
                hint=f"other_name is {NAME_IS}",
            )

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Rename the role at the server on entering, and back on leaving.

        Emits `database.role_renamed` with the name that the server then has for it.
        """
        del name
        database = ports.database(target)
        async with database.changed_access(self.part, to=self.other_name):
            async with database.session(superuser=False) as own:
                role = await own.fetchval("select current_user::text")
            ports.emit("database", ROLE_RENAMED, target, role=role)
            yield
