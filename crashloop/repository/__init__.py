"""A repository read for how its app is started, without importing or running any of it."""

from __future__ import annotations

from crashloop.repository.entry_text import entry_text
from crashloop.repository.findings import Findings, find
from crashloop.repository.tree import read_tree

__all__ = ["Findings", "entry_text", "find", "read_tree"]
