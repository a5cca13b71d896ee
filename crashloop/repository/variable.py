"""A variable that an app reads from its environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crashloop.repository.place import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A name that is read at `place`.

    `default` is the text that the app uses without it; None: unknown or none. `is_required` says
    that the app fails without it. `type` is the last word of a declared type, such as `SecretStr`.
    """

    name: str
    place: Place
    default: str | None = None
    is_required: bool = False
    type: str = ""
