"""The fault of a Postgres that lacks the app's database."""

from __future__ import annotations

from dataclasses import dataclass

from crashloop.faults.alone import Alone
from crashloop.faults.database.access import AccessFault
from crashloop.faults.database.base import TARGET, refused
from crashloop.model import Grade, Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingDatabase(AccessFault):
    """The app's database has another name: each new session is refused with 3D000."""

    kind = "missing_database"
    part = "database"
    receipt = Receipt(
        grade=Grade.SERVER, kinds=("database.error",), whose="server", where={"sqlstate": "3D000"}
    )
    alone = Alone(
        target=TARGET,
        shows=refused("3D000"),
        told_by={"wrong_password": "phase_failed", "missing_role": "phase_failed"},
        ends="the database is made or restored, or the URL names the right one; no restart helps",
    )
