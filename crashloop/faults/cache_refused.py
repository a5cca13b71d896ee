"""The fault of a cache at whose address nobody listens."""

from __future__ import annotations

from dataclasses import dataclass

from crashloop.faults.alone import Alone, fails_at_once
from crashloop.faults.proxied import FAULTS
from crashloop.model import CheckSpec

PHASE, TARGET = "cache", "redis"
(Refuse,) = (each for each in FAULTS if each.kind == "refuse")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRefused(Refuse):  # type: ignore[valid-type, misc]  # made from the proxy's kind
    """Open connections to the cache are reset and new ones refused; the port stays ours."""

    kind = "cache_refused"
    acts_on = frozenset({TARGET})
    alone = Alone(
        target=TARGET,
        phase=PHASE,
        knobs={"cache_critical": True},
        shows=(
            *fails_at_once(PHASE, "ConnectionError", "ConnectionRefusedError"),
            CheckSpec(
                check="connection_was", params={"target": TARGET, "phase": PHASE, "way": "refused"}
            ),
        ),
        told_by={"cache_silent": "phase_failed", "loading": "phase_failed"},
        ends="the cache listens at that address; until then, a start that can do without it",
    )
