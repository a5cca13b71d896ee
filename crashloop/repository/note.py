"""What `crashloop init` could not find or understand, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crashloop.repository.place import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One sentence, and the place that it is about."""

    says: str
    place: Place | None = None

    def __str__(self) -> str:
        return self.says if self.place is None else f"{self.place}: {self.says}"
