"""What a remedy is: a change to an outage, and to the app that meets it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from crashloop.model import AppUnderTest, Outage


class Remedied(NamedTuple):
    """An outage and an app, with or without remedies in place."""

    outage: Outage
    app: AppUnderTest


Overlay: TypeAlias = Callable[[Remedied, str], Remedied]
"""Puts a remedy in place; the text is what was written after its name and `=`.

Raises UsageError for a text that it cannot read, and for an outage or app that it does not fit.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemedyKind:
    """A remedy that is not the app's own: its name, what it does, and its overlay.

    `value` is what stands after `=`, as in `limit=S`; "" if nothing does.
    """

    name: str
    says: str
    overlay: Overlay
    value: str = ""

    @property
    def form(self) -> str:
        """How it is written."""
        return f"{self.name}={self.value}" if self.value else self.name
