"""When a fault is injected or healed: moments, and how they are combined."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Value = str | float | bool
"""What a parameter or a field of an event holds; whole numbers included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The first event of a kind with these fields, and `after_s` seconds of the incident later.

    `where` names fields of the event itself (`replica`, `attempt`, `target`, `source`) or of its
    data (`phase`, `fault`, ...), each with the value that it must have.

    In a scaled run the seconds pause while the app restarts, which is real work, unless they go on
    `through_restarts`: a schedule that does not depend on what the app does.
    """

    on: str
    where: Mapping[str, Value] = field(default_factory=dict)
    after_s: float = 0.0
    through_restarts: bool = False

    def __str__(self) -> str:
        where = ", ".join(f"{name} {value}" for name, value in self.where.items())
        after = f"{self.after_s:g} s after " if self.after_s else ""
        return after + self.on + (f" ({where})" if where else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Fires once: at the first of `first_of`, or when each of `all_of` has come.

    Exactly one of the two is given; its parts are moments or triggers.
    """

    first_of: tuple[Moment | Trigger, ...] = ()
    all_of: tuple[Moment | Trigger, ...] = ()

    def __post_init__(self) -> None:
        assert bool(self.first_of) != bool(self.all_of), "a trigger needs first_of or all_of"

    def moments(self) -> Iterator[Moment]:
        """Its moments, from left to right."""
        for part in self.first_of or self.all_of:
            if isinstance(part, Moment):
                yield part
            else:
                yield from part.moments()

    def __str__(self) -> str:
        parts = self.first_of or self.all_of
        words = [f"[{p}]" if isinstance(p, Trigger) and len(parts) > 1 else str(p) for p in parts]
        return (", or " if self.first_of else ", and ").join(words)
