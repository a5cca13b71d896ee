"""One process life of the app."""

from __future__ import annotations

from typing import NamedTuple


class Life(NamedTuple):
    """The `attempt`-th life of the replica `replica`; both count from 1."""

    replica: int
    attempt: int

    def log_name(self, *, several: bool) -> str:
        """The file with its output; `several`: the run has more instances than one."""
        replica = f"replica-{self.replica}-" if several else ""
        return f"{replica}attempt-{self.attempt}.log"
