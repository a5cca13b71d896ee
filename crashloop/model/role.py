"""Which of a proof's four runs a run is."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """Which of a proof's four runs this is."""

    CONTROL = "control"
    REPRODUCTION = "reproduction"
    REMEDY = "remedy"
    UNPLUGGED = "unplugged"
