"""What container runtimes and images' entry points say of a program that they cannot start.

runc 1.0's and 1.1's init (standard_init_linux.go), Docker 28's port mapping, dash 0.5, bash 5.2 and
env of coreutils 9, docker-library/postgres' docker-entrypoint.sh.
"""

from __future__ import annotations

import re

from crashloop.logs.event import PLATFORM_SAID, LogEvent

_SAID = (
    ("exec-failed", r"(?:standard_init_linux\.go:\d{1,5}: )?exec \S{1,200}: exec format error"),
    (
        "exec-failed",
        r"(?:standard_init_linux\.go:\d{1,5}: )?exec user process caused:? \"?exec format error\"?",
    ),
    ("exec-failed", r".{0,200}: (?:cannot execute binary file: )?Exec format error"),
    ("exec-failed", r".{0,300}OCI runtime create failed: .{0,200}: exec format error.{0,100}"),
    (
        "command-not-found",
        r".{0,300}exec: \"[^\"]{1,99}\": executable file not found in \$PATH.{0,99}",
    ),
    ("command-not-found", r".{0,300}exec: \"[^\"]{1,99}\": stat .{1,99}: no such file.{0,99}"),
    ("command-not-found", r"[^:]{1,100}: (?:(?:line )?\d{1,5}: )?exec: [^:]{1,200}: not found"),
    ("command-not-found", r"exec [^:]{1,200}: no such file or directory"),
    ("command-not-found", r"(?:/usr/bin/)?env: [^:]{1,200}: No such file or directory"),
    ("command-not-found", r"[^:]{1,100}: [^:]{1,200}: cannot execute: required file not found"),
    ("port-allocated", r".{0,300}Bind for \S{1,60} failed: port is already allocated\.?"),
    (
        "database-needs-a-password",
        r"Error: Database is uninitialized and superuser password is not specified\.",
    ),
)
_SAYS = [(says, re.compile(pattern)) for says, pattern in _SAID]


def runtime_event(text: str) -> LogEvent | None:
    """Why a program could not be started, by the whole line; None for any other."""
    for says, pattern in _SAYS:
        if pattern.fullmatch(text):
            data = {"by": "runtime", "says": says, "text": text}
            return LogEvent(kind=PLATFORM_SAID, data=data, at_ns=0)
    return None
