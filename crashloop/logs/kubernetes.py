"""What Kubernetes says of a container: its ends, its probes, and the events of its pod.

The words are the kubelet's of Kubernetes 1.31: prober/prober.go, kuberuntime_manager.go, and
`kubectl describe`'s of describe.go.
"""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import Any

from crashloop.logs.event import EXITED, PLATFORM_SAID, PROBE_FAILED, LogEvent

BY = "kubernetes"
MAX_TEXT_CHARS = 1000
_NS = 1_000_000_000
_PROBE_FAILED = re.compile(
    r"(?P<probe>Startup|Liveness|Readiness) probe (?:failed|errored)[^:]{0,80}: (?P<error>.*)",
    re.DOTALL,
)
_ASKED = re.compile(
    r"Get \"https?://(?:\[[^\]]{1,60}\]|[^/:\"\s]{1,253}):(?P<http>\d{1,5})"
    r"|dial tcp (?:\[[^\]]{1,60}\]|[^\s:]{1,253}):(?P<tcp>\d{1,5})"
)
_STATUS = re.compile(r"HTTP probe failed with statuscode: (?P<status>\d{3})")
_PROBE = re.compile(
    r"(?P<how>http-get|tcp-socket|exec|grpc) (?P<what>.{0,300}?)"
    r" ?delay=(?P<delay>\d{1,6})s timeout=(?P<timeout>\d{1,6})s period=(?P<period>\d{1,6})s"
    r" #success=\d{1,4} #failure=(?P<failures>\d{1,6})"
)
_PORT = re.compile(r":(?P<port>\d{1,5})(?:/|$)")
_KILLED_BY = re.compile(r"failed (?P<probe>startup|liveness) probe", re.IGNORECASE)
_OF_CONTAINER = re.compile(
    r"(?:failed container|Started container|Created container:?|Container) "
    r"(?P<name>[a-z0-9-]{1,63})"
)
_CODE = re.compile(r"-?\d{1,9}")
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")


def kubelet_event(reason: str, message: str, *, times: int = 1) -> LogEvent:
    """What one event of a pod says: a failed probe, or anything else under its reason's slug."""
    text = message[:MAX_TEXT_CHARS]
    data: dict[str, Any] = {"by": BY, "text": text, "times": times}
    failed = _PROBE_FAILED.match(text) if reason == "Unhealthy" else None
    if failed is not None:
        data |= {"probe": failed["probe"].lower(), "error": failed["error"].strip()}
        asked, status = _ASKED.search(text), _STATUS.search(text)
        if asked is not None:
            data["port"] = int(asked["http"] or asked["tcp"])
        if status is not None:
            data["status"] = int(status["status"])
        return LogEvent(kind=PROBE_FAILED, data=data, at_ns=0)
    data["says"] = _WORD.sub("-", reason).lower()
    killed = _KILLED_BY.search(text) if reason == "Killing" else None
    if killed is not None:
        data["probe"] = killed["probe"].lower()
    return LogEvent(kind=PLATFORM_SAID, data=data, at_ns=0)


def container_of(message: str) -> str:
    """The container that an event's message names; "" if it names none."""
    found = _OF_CONTAINER.search(message[:MAX_TEXT_CHARS])
    return found["name"] if found else ""


def terminated(state: dict[str, str]) -> LogEvent | None:
    """The exit that a terminated state tells of; None without its code."""
    code = state.get("Exit Code", "")
    if not _CODE.fullmatch(code):
        return None
    data: dict[str, Any] = {"exit_code": int(code), "by": BY}
    if reason := state.get("Reason"):
        data["reason"] = reason
    if state.get("Signal", "0") not in {"", "0"}:
        data["signal"] = state["Signal"]
    began, ended = instant(state.get("Started", "")), instant(state.get("Finished", ""))
    if began is not None and ended is not None:
        data["ran_s"] = (ended - began) / _NS
    return LogEvent(kind=EXITED, data=data, at_ns=0)


def probe_event(name: str, text: str) -> LogEvent | None:
    """A container's probe as it is set: `budget_s` is how long it lets a container fail."""
    found = _PROBE.fullmatch(text.strip())
    if found is None:
        return None
    delay, period, failures = (int(found[each]) for each in ("delay", "period", "failures"))
    data: dict[str, Any] = {
        "by": BY,
        "says": "probe",
        "text": f"{name}: {text.strip()}",
        "probe": name.lower(),
        "how": found["how"],
        "delay_s": delay,
        "period_s": period,
        "timeout_s": int(found["timeout"]),
        "failures": failures,
        "budget_s": delay + period * failures,
    }
    if port := _PORT.search(found["what"]):
        data["port"] = int(port["port"])
    return LogEvent(kind=PLATFORM_SAID, data=data, at_ns=0)


def instant(text: str) -> int | None:
    """`Fri, 24 Jul 2026 10:15:09 +0000` as ns since the epoch; None for anything else."""
    try:
        return int(parsedate_to_datetime(text).timestamp()) * _NS
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
