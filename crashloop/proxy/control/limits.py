"""How long a call may take, and how much an answer may hold."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from crashloop.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of each call, in wall seconds and bytes.

    `connect_s` for one connect(), `silence_s` between two pieces of an answer (the first comes
    when the server has done the work), `total_s` for the whole call however the pieces trickle
    in; the look-up of a host name alone is the resolver's to bound. `reply_bytes` for an answer
    with its headers, and for one line of the event stream.
    """

    connect_s: float = 2
    silence_s: float = 10
    total_s: float = 30
    reply_bytes: int = 16 * 1024 * 1024

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value > 0):
                raise UsageError(
                    f"Limits got {field.name}={value!r}.", hint="Give a number above zero."
                )
