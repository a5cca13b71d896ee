"""The fault of a password that the server does not accept."""

from __future__ import annotations

from dataclasses import dataclass

from crashloop.faults.alone import Alone
from crashloop.faults.database.access import AccessFault
from crashloop.faults.database.base import OF_TARGET, TARGET, refused
from crashloop.model import CheckSpec, Grade, Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongPassword(AccessFault):
    """The app's role has another password: each new session is refused with 28P01."""

    kind = "wrong_password"
    part = "password"
    receipt = Receipt(
        grade=Grade.SERVER, kinds=("database.error",), whose="server", where={"sqlstate": "28P01"}
    )
    alone = Alone(
        target=TARGET,
        shows=(
            *refused("28P01"),
            CheckSpec(check="role_was_unknown", params={**OF_TARGET, "unknown": False}),
        ),
        told_by={"missing_role": "role_was_unknown", "missing_database": "phase_failed"},
        ends="the app gets the password that the server has, as after a rotation; no restart helps",
    )
