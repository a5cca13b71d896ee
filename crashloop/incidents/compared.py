"""What an ordinary comparison of remedies for an incident is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.model import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The ordinary comparison: what the incident is run with where the command line says nothing.

    `params` are its parameters. `remedies` are compared besides all those that are known; where one
    is written `limit=S`, that gives the values. Each trial draws its `heal_s`, seconds of the
    incident, from this range, unless a connector's profile has one of its own.
    """

    params: Mapping[str, Value] = field(default_factory=dict)
    remedies: tuple[str, ...] = ()
    heal_s: tuple[float, float] = (240.0, 360.0)
