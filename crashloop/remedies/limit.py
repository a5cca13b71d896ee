"""Another time limit of the phase: what was tried first, and is no remedy."""

from __future__ import annotations

import math
from dataclasses import replace

from crashloop.errors import UsageError
from crashloop.remedies.overlay import Remedied, RemedyKind

LIMIT = "limit_s"
CONNECT = "connect_timeout_s"
SHORTEST_S, LONGEST_S = 1.0, 3600.0


def overlay(before: Remedied, value: str) -> Remedied:
    """Set the limit of the outage's phase, and let a connection take at least twice as long."""
    try:
        limit_s = float(value)
    except ValueError:
        limit_s = math.nan
    if not SHORTEST_S <= limit_s <= LONGEST_S:
        raise UsageError(f"limit={value} is no time limit", hint="give 1 to 3600 s: limit=25")
    outage, app = before
    if LIMIT not in app.knobs:
        raise UsageError(
            f"app {app.name} has no time limit that could be set",
            hint=f"give it the knob {LIMIT} and use {{{LIMIT}}} in its `env` or `command`",
        )
    knobs = {**outage.knobs, LIMIT: limit_s}
    if CONNECT in knobs:
        knobs[CONNECT] = max(float(knobs[CONNECT]), 2 * limit_s)
    return Remedied(replace(outage, knobs=knobs), app)


REMEDY = RemedyKind(
    name="limit", value="S", says="give the phase another time limit, in seconds", overlay=overlay
)
