"""How many instances of the app run, and the old revision beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.model.trigger import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """`count` instances, numbered from 1, each started `stagger_s` after the one before.

    `overlap` instances of the old revision, numbered after them and with `old_knobs`, serve while
    the fault `revision_change` is on.
    """

    count: int = 1
    stagger_s: float = 0.0
    overlap: int = 0
    old_knobs: Mapping[str, Value] = field(default_factory=dict)

    @property
    def most(self) -> int:
        """How many instances run at once at most, those of the old revision included."""
        return self.count + self.overlap

    @property
    def several(self) -> bool:
        """Whether the run has more instances than one, those of the old revision included."""
        return self.most > 1
