"""One process life of the app."""

from __future__ import annotations

from typing import NamedTuple


class Life(NamedTuple):
    """The `attempt`-th life of the replica `replica`; both count from 1."""

    replica: int
    attempt: int
