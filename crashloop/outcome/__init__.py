"""What an outage did to the user's own app, from the trace of the run. Pure: no I/O, no clock."""

from __future__ import annotations

from crashloop.outcome.fate import fate_of
from crashloop.outcome.flags import tries_called_ready
from crashloop.outcome.idle import is_idle
from crashloop.outcome.room import has_room
from crashloop.outcome.under_fault import served_under_fault

__all__ = ["fate_of", "has_room", "is_idle", "served_under_fault", "tries_called_ready"]
