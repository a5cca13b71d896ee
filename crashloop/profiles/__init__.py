"""Connector profiles: how long connections take while a connector scales, each figure sourced.

`load("audit")` gives a profile that comes with crashloop, `load("mine.toml")` one of a file. See
docs/profiles.md.
"""

from __future__ import annotations

from crashloop.profiles.file import NAMES, load
from crashloop.profiles.profile import Figure, Profile

__all__ = ["NAMES", "Figure", "Profile", "load"]
