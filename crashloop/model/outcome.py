"""What an outage did to the user's own app."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What became of the app, beside the verdict about the incident.

    SURVIVED: no life ended on its own, the app was ready under the fault, and every journey tried
    under it passed. RECOVERED: otherwise, and it was ready, and a journey passed, within its time
    after the heal. NOT_RECOVERED: otherwise. NEVER_STARTED: it does not start without a fault.
    INCONCLUSIVE: nothing shows which, for example because the fault never touched the app.
    """

    SURVIVED = "SURVIVED"
    RECOVERED = "RECOVERED"
    NOT_RECOVERED = "NOT_RECOVERED"
    NEVER_STARTED = "NEVER_STARTED"
    INCONCLUSIVE = "INCONCLUSIVE"


class Flag(StrEnum):
    """Something else that was seen, and that its developer wants to know."""

    READY_BUT_BROKEN = "ready_but_broken"
    DATA_LOST = "data_lost"
    DATA_DOUBLED = "data_doubled"
    CONNECTIONS_LEFT = "connections_left"
    RETRIED_PERMANENT = "retried_permanent"
    SIGTERM_IGNORED = "sigterm_ignored"
    SIGTERM_IGNORED_AT_START = "sigterm_ignored_at_start"
    PORT_BEFORE_READY = "port_before_ready"
    LISTENS_ON_ALL = "listens_on_all_interfaces"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """The outcome of one run with its reason, and what led to it.

    `exit_codes` are those of its deaths in order; 128 + N is an end by signal N.
    `recovered_after_s` is in wall seconds after the last heal, None if it did not recover.
    `port_before_ready` is None where nothing shows it. `flags` are in the order of `Flag`, each
    with its sentence. `evidence` are `seq` numbers.
    """

    outcome: Outcome
    why: str
    deaths: int = 0
    exit_codes: tuple[int, ...] = ()
    recovered_after_s: float | None = None
    port_before_ready: bool | None = None
    flags: dict[Flag, str]
    advice: str = ""
    evidence: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON object with these fields; `flags` by name."""
        return {**asdict(self), "flags": {str(flag): says for flag, says in self.flags.items()}}
