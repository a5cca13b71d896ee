"""An entry of Cloud Logging (a LogEntry): whose it is, its payload, and what it says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from crashloop.logs.cloud_run import cloud_run_event
from crashloop.logs.entry import Entry, Line
from crashloop.logs.instants import parse_instant
from crashloop.logs.kubernetes import container_of, kubelet_event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.logs.event import LogEvent

MARKS = ("insertId", "logName", "textPayload", "jsonPayload", "protoPayload")
"""Fields of which every entry has some."""
MAX_TEXT_CHARS = 200_000
_OF_PLATFORM = ("varlog%2Fsystem", "cloudaudit.googleapis.com", "run.googleapis.com%2Frequests")
_NAMES = (
    ("namespace_name", "pod_name", "container_name"),
    ("service_name", "revision_name"),
    ("job_name",),
    ("database_id",),
    ("instance_id",),
)


def log_entry(found: Mapping[str, Any], line: Line) -> Entry:
    """The entry that an object is: its text is the payload's, and its id the `insertId`."""
    log = str(found.get("logName") or "")
    text, event = _payload(found, log)
    at_ns = next(
        (
            at_ns
            for name in ("timestamp", "receiveTimestamp")
            if (at_ns := parse_instant(str(found.get(name) or ""))) is not None
        ),
        None,
    )
    return Entry(
        line=Line(line.file, line.number, ""),
        text=text[:MAX_TEXT_CHARS],
        at_ns=at_ns,
        source=_source(found, log, text),
        id=str(found.get("insertId") or ""),
        event=event,
    )


def _payload(found: Mapping[str, Any], log: str) -> tuple[str, LogEvent | None]:
    text, payload, proto = (found.get(f"{each}Payload") for each in ("text", "json", "proto"))
    if isinstance(text, str):
        is_platforms = any(name in log for name in _OF_PLATFORM)
        return text.rstrip("\n"), cloud_run_event(text) if is_platforms else None
    if isinstance(payload, dict):
        if isinstance(payload.get("involvedObject"), dict):
            return _of_pod(payload)
        mono_ns = payload.get("mono_ns")  # a Struct's numbers are doubles
        if isinstance(mono_ns, float) and mono_ns.is_integer():
            payload = {**payload, "mono_ns": int(mono_ns)}
        return json.dumps(payload, ensure_ascii=False, default=str), None
    if isinstance(proto, dict):
        status = proto.get("status")
        message = status.get("message") if isinstance(status, dict) else None
        if isinstance(message, str):
            return message, cloud_run_event(message)
    return "", None


def _of_pod(payload: Mapping[str, Any]) -> tuple[str, LogEvent]:
    """An event of Kubernetes, as GKE exports it."""
    count = payload.get("count")
    text = str(payload.get("message", ""))
    times = count if isinstance(count, int) and count > 0 else 1
    return text, kubelet_event(str(payload.get("reason", "")), text, times=times)


def _source(found: Mapping[str, Any], log: str, text: str) -> str:
    """The instance, container or database; "" if the entry names none."""
    resource, own = found.get("resource"), found.get("labels")
    labels = resource.get("labels") if isinstance(resource, dict) else None
    labels = labels if isinstance(labels, dict) else {}
    payload = found.get("jsonPayload")
    pod = payload.get("involvedObject") if isinstance(payload, dict) else None
    if isinstance(pod, dict):
        names = [pod.get("namespace"), pod.get("name"), container_of(text)]
    else:
        names = [labels.get(n) for n in next((n for n in _NAMES if labels.get(n[0])), ())]
    instance = own.get("instanceId") if isinstance(own, dict) else None
    if instance and "cloudaudit" not in log:
        names.append(str(instance))
    return "/".join(str(name) for name in names if name)
