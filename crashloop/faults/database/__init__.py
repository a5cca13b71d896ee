"""The faults of a Postgres itself, behind its path; each has a module of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.faults.database.disk_full import DiskFull
from crashloop.faults.database.image_older import ImageOlder
from crashloop.faults.database.lock_held import LockHeld
from crashloop.faults.database.lock_orphaned import LockOrphaned
from crashloop.faults.database.missing_database import MissingDatabase
from crashloop.faults.database.missing_role import MissingRole
from crashloop.faults.database.paused import Paused
from crashloop.faults.database.read_only import ReadOnly
from crashloop.faults.database.recovering import Recovering
from crashloop.faults.database.shared_capacity import SharedCapacity
from crashloop.faults.database.slots_taken import SlotsTaken
from crashloop.faults.database.slow_query import SlowQuery
from crashloop.faults.database.starting_up import StartingUp
from crashloop.faults.database.wrong_password import WrongPassword

if TYPE_CHECKING:
    from crashloop.faults.database.base import DatabaseFault

__all__ = ["FAULTS"]

FAULTS: tuple[type[DatabaseFault], ...] = (
    SlotsTaken,
    StartingUp,
    Recovering,
    Paused,
    LockHeld,
    SlowQuery,
    DiskFull,
    ImageOlder,
    ReadOnly,
    LockOrphaned,
    WrongPassword,
    MissingRole,
    MissingDatabase,
    SharedCapacity,
)
