"""A run's log as Cloud Logging entries: the app's lines, and the platform's exit lines.

The app's entries are its own structured lines, without their stack traces, and its other lines as
far as the trace has them; those that were written together are one entry. The platform's are
modelled, as no Cloud Run took part, and carry the label `crashloop/modelled`. The shape is LogEntry
of logging v2; the exit line's wording, severity, log name and resource labels are those of Cloud
Run's own log of issue 1278.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.trace.event import Event, Trace

MODELLED = "crashloop/modelled"
PROJECT = "crashloop-lab"
SERVICE = "app-under-test"
OLD_REVISION = f"{SERVICE}-00001-lab"
REVISION = f"{SERVICE}-00002-lab"
APP_LOG = f"projects/{PROJECT}/logs/run.googleapis.com%2Fstdout"
ERROR_LOG = f"projects/{PROJECT}/logs/run.googleapis.com%2Fstderr"
SYSTEM_LOG = f"projects/{PROJECT}/logs/run.googleapis.com%2Fvarlog%2Fsystem"


def log_entries(trace: Trace) -> list[dict[str, Any]]:
    """The log entries of a run, in order of time; `insertId` is the event's `seq`."""
    found = [
        _app_entry(e)
        for e in trace.events
        if e.source == "app" and not e.kind.startswith(("app.", "log."))
    ]
    found += [_output_entry(e) for e in trace.of("app.output") if e.source == "app"]
    found += [
        _exit_entry(e)
        for e in trace.of("process.exited")
        if e.source != "app" and not e.data.get("requested") and e.data.get("exit_code") is not None
    ]
    started = trace.of("process.started")
    old = {str(e.replica) for e in started if e.data.get("revision") == "old"}
    for each in found:
        if each["labels"].get("instanceId") in old:
            each["resource"]["labels"]["revision_name"] = OLD_REVISION
    return sorted(found, key=lambda each: (each["timestamp"], int(each["insertId"])))


def _app_entry(event: Event) -> dict[str, Any]:
    labels = {"boot_id": str(event.data.get("boot_id", "")), **_instance(event)}
    payload = {**event.data, "event": event.kind, "mono_ns": event.mono_ns}
    severity = str(payload.pop("severity", "DEFAULT"))
    return entry(event, APP_LOG, severity, labels, {"jsonPayload": payload})


def _output_entry(event: Event) -> dict[str, Any]:
    payload = {"textPayload": event.data["text"]}
    return entry(event, ERROR_LOG, "DEFAULT", _instance(event), payload)


def _exit_entry(event: Event) -> dict[str, Any]:
    text = f"Container called exit({event.data['exit_code']})."
    labels = {MODELLED: "true", **_instance(event)}
    return entry(event, SYSTEM_LOG, "WARNING", labels, {"textPayload": text})


def _instance(event: Event) -> dict[str, str]:
    """The label that tells instances apart: here the replica's number."""
    return {} if event.replica is None else {"instanceId": str(event.replica)}


def entry(
    event: Event, log: str, severity: str, labels: Mapping[str, str], payload: Mapping[str, Any]
) -> dict[str, Any]:
    """An entry of one of the service's logs, at the event's instant."""
    return {
        "insertId": str(event.seq),
        "timestamp": event.at,
        "severity": severity,
        "logName": log,
        "resource": {
            "type": "cloud_run_revision",
            "labels": {
                "configuration_name": SERVICE,
                "location": "local",
                "project_id": PROJECT,
                "revision_name": REVISION,
                "service_name": SERVICE,
            },
        },
        "labels": dict(labels),
        **payload,
    }
