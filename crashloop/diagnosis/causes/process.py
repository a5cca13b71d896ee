"""The process and what the system allows it: its port, its files, its memory.

Words: uvicorn 0.54, gunicorn 26, hypercorn 0.18; Linux' errnos.
"""

from __future__ import annotations

from crashloop.diagnosis.cause import Cause, InLogs
from crashloop.diagnosis.signs import error, exited, restarts, start_refused

CAUSES = (
    Cause(
        id="port-in-use",
        title="the app's port is taken",
        meaning="Another process listens on the port already (EADDRINUSE).",
        in_logs=InLogs(
            decides=(
                start_refused(
                    "the web server could not bind: the address is in use",
                    "bind_failed",
                    "port_in_use",
                    text=r"\[Errno (?:98|48)\]|^Connection in use",
                ),
                error("the app could not bind: the address is in use", errnos=(98, 48)),
            ),
            points=(restarts(),),
            next="who listens there: ss -ltnp; a second server in the same container or pod",
        ),
    ),
    Cause(
        id="permission-denied",
        title="the app's user may not open a file or a port",
        meaning="The system refused what the app's user may not do (EACCES).",
        in_logs=InLogs(
            decides=(
                error(
                    "a file or folder may not be opened",
                    types=("PermissionError",),
                    errnos=(13,),
                ),
                start_refused(
                    "the web server may not bind that port", "bind_failed", text=r"\[Errno 13\]"
                ),
            ),
            points=(restarts(),),
            next="the user of the process beside the owner and mode of that path (ls -ldn)",
        ),
    ),
    Cause(
        id="out-of-memory",
        title="the app is killed for its memory while it serves",
        meaning="The start succeeds; the limit of memory ends the app later.",
        in_logs=InLogs(
            decides=(
                exited(
                    "a life that was ready was killed for its memory",
                    reason="OOMKilled",
                    ready=True,
                ),
            ),
            points=(restarts(),),
            next="the memory over time beside the limit; this is no failure of the start",
        ),
    ),
)
