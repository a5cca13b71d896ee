"""What Cloud Run says of an instance in its system log, its audit log and its request log.

The words are those of logs in public issues of 2024 to 2026; Google documents a part of them on
"Troubleshoot Cloud Run issues" and "Memory limits".
"""

from __future__ import annotations

import re
from typing import Any

from crashloop.logs.event import EXITED, PLATFORM_SAID, PROBE_FAILED, STARTED, LogEvent

BY = "cloud-run"
MAX_TEXT_CHARS = 1000
_EXIT = re.compile(r"Container called exit\((?P<code>\d{1,3})\)\.?")
_SIGNAL = re.compile(r"Container terminated on signal (?P<signal>\d{1,2})\.?")
_STARTING = re.compile(r"Starting new instance\. Reason: (?P<reason>[A-Z_]{1,60})\b.*", re.DOTALL)
_PROBE = re.compile(
    r"(?:Default )?(?P<probe>STARTUP|LIVENESS|READINESS) (?P<how>TCP|HTTP|GRPC) probe failed "
    r"(?P<times>\d{1,7}) times? consecutively for container \"(?P<container>[^\"]{1,100})\""
    r" on port (?P<port>\d{1,5})(?: path \"(?P<path>[^\"]{0,300})\")?\.(?P<more>.*)",
    re.DOTALL,
)
_STATUS = re.compile(r"failed with status (?P<status>[A-Z_]{1,40})")
_SAID = (
    ("memory-limit-exceeded", r"Memory limit of \d{1,7}(?:\.\d{1,3})? [MG]i?B exceeded with .*"),
    ("uncaught-signal", r"Uncaught signal: \d{1,2}, pid=.*"),
    ("revision-not-ready", r"Ready condition status changed to False for Revision .*"),
    (
        "not-listening",
        r"(?:.{0,300}: )?The user-provided container failed to start and listen on the port .*",
    ),
    ("no-available-instance", r"The request was aborted because there was no available instance.*"),
    (
        "connection-to-instance-failed",
        (
            r"The request failed because either the HTTP response was malformed or connection to "
            r"the instance had an error\..*"
        ),
    ),
    ("instance-did-not-start", r"The request failed because the instance failed to start.*"),
    ("instance-did-not-start", r"The request failed because the instance could not start .*"),
    ("request-timed-out", r"The request has been terminated because it has reached the maximum .*"),
    ("cloud-sql-failed", r"Cloud SQL connection failed\. Please see .*"),
    ("secret-denied", r"(?:.{0,300}: )?Permission denied on secret: .*"),
    ("exec-failed", r"terminated: Application failed to start: .*exec format error.*"),
    ("failed-to-start", r"(?:terminated: )?Application failed to start: .*"),
)
_SAYS = [(says, re.compile(pattern, re.DOTALL)) for says, pattern in _SAID]


def cloud_run_event(text: str) -> LogEvent | None:
    """The event that a whole message of Cloud Run is; None for any other text."""
    text = text[:MAX_TEXT_CHARS].strip()
    if (found := _EXIT.fullmatch(text)) is not None:
        return _event(EXITED, exit_code=int(found["code"]))
    if (found := _SIGNAL.fullmatch(text)) is not None:
        signal = int(found["signal"])
        return _event(EXITED, exit_code=128 + signal, signal=signal)
    if (found := _STARTING.fullmatch(text)) is not None:
        return _event(STARTED, reason=found["reason"])
    if (found := _PROBE.fullmatch(text)) is not None:
        return _event(PROBE_FAILED, text=text, **_probe(found))
    says = next((says for says, pattern in _SAYS if pattern.fullmatch(text)), None)
    return None if says is None else _event(PLATFORM_SAID, says=says, text=text)


def _probe(found: re.Match[str]) -> dict[str, Any]:
    data: dict[str, Any] = {
        "probe": found["probe"].lower(),
        "how": found["how"].lower(),
        "port": int(found["port"]),
        "times": int(found["times"]),
        "container": found["container"],
    }
    if found["path"]:
        data["path"] = found["path"]
    if (status := _STATUS.search(found["more"])) is not None:
        data["error"] = status["status"]
    return data


def _event(kind: str, **data: Any) -> LogEvent:
    return LogEvent(kind=kind, data={"by": BY, **data}, at_ns=0)
