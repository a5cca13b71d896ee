"""What an app's log says: one module for each format, lines in, events out, without I/O."""

from crashloop.logs.event import LogEvent
from crashloop.logs.reader import LogReader

__all__ = ["LogEvent", "LogReader"]
