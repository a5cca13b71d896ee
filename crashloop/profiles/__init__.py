"""Profiles: figures of connectors, side-cars and database tiers, each with its source.

`load("audit")` gives how long connections take while a connector scales, `load_sidecar("envoy")`
when a proxy beside the app listens, and `load_tier("db-custom-1-3840")` how many connections a
database takes. Each reads a file of one's own, too, as `load("mine.toml")` does. See
docs/profiles.md.
"""

from __future__ import annotations

from crashloop.profiles.figure import Figure
from crashloop.profiles.file import (
    NAMES,
    SIDECAR_NAMES,
    TIER_NAMES,
    load,
    load_sidecar,
    load_tier,
)
from crashloop.profiles.profile import Profile
from crashloop.profiles.sidecar import Sidecar
from crashloop.profiles.tier import Tier

__all__ = [
    "NAMES",
    "SIDECAR_NAMES",
    "TIER_NAMES",
    "Figure",
    "Profile",
    "Sidecar",
    "Tier",
    "load",
    "load_sidecar",
    "load_tier",
]
