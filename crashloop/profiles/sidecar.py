"""The record of a side-car proxy: when it listens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.profiles.figure import Figure

LISTENS = "listens_s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """A proxy beside the app by its figures; `listens_s` is always there, in incident seconds."""

    name: str
    title: str
    figures: Mapping[str, Figure]

    @property
    def listens_at_s(self) -> float:
        """When it listens: the middle of `listens_s`."""
        return self.figures[LISTENS].middle
