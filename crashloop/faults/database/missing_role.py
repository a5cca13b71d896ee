"""The fault of a Postgres that lacks the app's role."""

from __future__ import annotations

from dataclasses import dataclass

from crashloop.faults.alone import Alone
from crashloop.faults.database.access import AccessFault
from crashloop.faults.database.base import OF_TARGET, TARGET, refused
from crashloop.model import CheckSpec, Grade, Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRole(AccessFault):
    """The app's role has another name: each new session is refused with 28P01.

    To the client that is a wrong password; only Postgres' own log says that the role is missing.
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
    )
