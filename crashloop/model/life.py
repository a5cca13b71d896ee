"""One process life of the app."""

from __future__ import annotations

from typing import NamedTuple


class Life(NamedTuple):
    """The `attempt`-th life of the replica `replica`; both count from 1.

    Attempt 0 of replica 1 is the control life, which is lived before any fault.
    """

    replica: int
    attempt: int

    def log_name(self, *, several: bool) -> str:
        """The file with its output; `several`: the run has more instances than one."""
        if self.attempt == 0:
            return "control.log"
        replica = f"replica-{self.replica}-" if several else ""
        return f"{replica}attempt-{self.attempt}.log"


SETUP_LOG = "setup.log"
"""The file with the output of the app's `setup`."""

CONTROL = Life(1, 0)
"""The life of the user's own app that comes before any fault."""
