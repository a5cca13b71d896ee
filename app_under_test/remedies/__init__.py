"""Remedies: what could have ended the outage. Each is a setting, off by default.

`Context.around` is where a remedy wraps the work of a phase.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

Work = Callable[[], Awaitable[None]]
"""The work of a phase, which raises if it fails."""

Around = Callable[[Work], Awaitable[None]]
"""Does a phase's work, perhaps more than once; raises the error that ends the phase."""
