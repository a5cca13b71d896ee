"""One receipt of a fault, for one life."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crashloop.model import Life
    from crashloop.trace.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """A receipt of a fault for one life.

    `covers`: the event is about the target and stands for the whole time of the touch, in which the
    life's `connection` came to it; otherwise the event itself must lie in the phase that it is to
    explain. `is_weak`: the event does not name the target, only its time says that it is about it.
    """

    event: Event
    life: Life
    begins_ns: int
    ends_ns: int
    covers: bool = False
    is_weak: bool = False
    connection: Event | None = None

    @property
    def evidence(self) -> tuple[Event, ...]:
        """The events that show it."""
        return (self.event,) if self.connection is None else (self.event, self.connection)

    @property
    def reached(self) -> str | None:
        """The target to which the life's connection came; None if it is the event's own."""
        return None if self.connection is None else self.connection.target
