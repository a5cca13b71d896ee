"""Profiles: figures of connectors and of database tiers, each with its source.

`load("audit")` gives how long connections take while a connector scales, and
`load_tier("db-custom-1-3840")` how many connections a database takes; `load("mine.toml")` reads a
file. See docs/profiles.md.
"""

from __future__ import annotations

from crashloop.profiles.figure import Figure
from crashloop.profiles.file import NAMES, TIER_NAMES, load, load_tier
from crashloop.profiles.profile import Profile
from crashloop.profiles.tier import Tier

__all__ = ["NAMES", "TIER_NAMES", "Figure", "Profile", "Tier", "load", "load_tier"]
