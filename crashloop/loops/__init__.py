"""What starts and deaths amount to: restart loops and what is none. Pure: no I/O, no clock."""

from __future__ import annotations

from crashloop.loops.oracle import loops_of

__all__ = ["loops_of"]
