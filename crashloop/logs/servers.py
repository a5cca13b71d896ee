"""The life lines of uvicorn and gunicorn, in the words of their own sources.

Uvicorn 0.54: server.py, lifespan/on.py, config.py, supervisors/multiprocess.py. Gunicorn 27.0:
arbiter.py. Hypercorn 0.18: asyncio/run.py, trio/run.py.
"""

from __future__ import annotations

import re

from crashloop.logs.event import SERVER, LogEvent

MAX_TEXT_CHARS = 500

_UVICORN = (
    ("started", r"Started (?:server|parent) process \[\d{1,10}\]"),
    ("reloader", r"Started reloader process \[\d{1,10}\] using \w{1,40}"),
    ("startup_complete", r"Application startup complete\."),
    ("startup_failed", r"Application startup failed\. Exiting\."),
    ("startup_failed", r"Error loading ASGI app(?: factory:|\.) .+"),
    ("listening", r"Uvicorn running on \S.*"),
    ("bind_failed", r"\[Errno \d{1,3}\] error while attempting to bind on address .*"),
    ("worker_failed", r"Child process \[\d{1,10}\] (?:died|failed to start, stopping .+)"),
    ("shutdown", r"Shutting down"),
    ("shutdown", r"Received SIG(?:TERM|INT), exiting\."),
)
_GUNICORN = (
    ("started", r"Starting gunicorn \S+"),
    ("listening", r"Listening at: \S.*"),
    ("port_in_use", r"Connection in use: \S.*"),
    ("bind_failed", r"Can't connect to \S.*"),
    ("worker_started", r"Booting worker with pid: \d{1,10}"),
    ("worker_failed", r"Worker \(pid:\d{1,10}\) exited with code -?\d{1,5}\.?"),
    ("worker_failed", r"Worker \(pid:\d{1,10}\) was sent SIG(?!TERM)[A-Z0-9]+!.*"),
    ("worker_failed", r"Reason: (?:Worker failed to boot|App failed to load)\."),
    ("worker_timeout", r"WORKER TIMEOUT \(pid: ?\d{1,10}\)"),
    ("shutdown", r"Handling signal: (?:term|int|quit)"),
    ("shutdown", r"Shutting down: \S.*"),
)
_HYPERCORN = (("listening", r"Running on https?://\S+ \(CTRL \+ C to quit\)"),)
"""Written once the app has started."""
_SAYS = [
    (server, says, re.compile(pattern))
    for server, lines in (
        ("uvicorn", _UVICORN),
        ("gunicorn", _GUNICORN),
        ("hypercorn", _HYPERCORN),
    )
    for says, pattern in lines
]
# What a logger writes before the message: instants, levels, ids and the server's own loggers.
_WORD = re.compile(
    r"(?:[\[(<]?(?:\d[\d.,:TZ+/-]*|[+-]\d{4})[\])>]?:?"
    r"|[\[(<]?(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)[\])>]?:?"
    r"|[\[(<]?(?:uvicorn|gunicorn)(?:\.\w{1,20})?[\])>]?:?|[-|:]{1,3})(?:\s{1,12}|$)"
)
MAX_WORDS = 12


def server_event(line: str, at_ns: int) -> LogEvent | None:
    """What a web server says of its life; None for any other line.

    The words must be the whole message, after nothing but what a logger writes before one.
    """
    message = _message(line[:MAX_TEXT_CHARS].rstrip())
    for server, says, pattern in _SAYS:
        if pattern.fullmatch(message):
            data = {"server": server, "says": says, "text": message}
            return LogEvent(kind=SERVER, data=data, at_ns=at_ns)
    return None


def _message(line: str) -> str:
    for _ in range(MAX_WORDS):
        word = _WORD.match(line)
        if word is None:
            break
        line = line[word.end() :]
    return line
