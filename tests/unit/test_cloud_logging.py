"""A run's log as Cloud Logging entries: replicas are instances, and each revision has its name."""

from __future__ import annotations

from dataclasses import replace

from failure_pattern import failure_pattern, trace_of
from report_runs import three_replicas

from crashloop.cloud_logging import OLD_REVISION, REVISION, log_entries
from crashloop.model import Life
from crashloop.trace.event import Event, Trace


def test_each_replica_is_an_instance_and_an_old_revision_has_its_own_name() -> None:
    entries = log_entries(three_replicas())

    revisions = {
        (entry["labels"]["instanceId"], entry["resource"]["labels"]["revision_name"])
        for entry in entries
    }
    assert revisions == {
        ("1", REVISION), ("2", REVISION), ("3", REVISION), ("4", OLD_REVISION),
    }  # fmt: skip
    assert all(isinstance(entry["labels"]["boot_id"], str) for entry in entries[:1])


def test_an_exit_is_the_platforms_own_line_and_never_the_apps() -> None:
    trace = three_replicas()
    claims = [replace(e, source="app") for e in trace.events if e.kind == "process.exited"]

    texts = [entry.get("textPayload") for entry in log_entries(trace)]

    assert texts.count("Container called exit(3).") == 9
    assert not [e for e in log_entries(of(trace, claims)) if "textPayload" in e]


def test_entries_of_several_instances_are_told_apart_when_they_are_read() -> None:
    entries = [e for e in log_entries(three_replicas()) if e["labels"]["instanceId"] != "4"]

    read = trace_of(entries)

    assert read.replicas() == range(1, 4)
    assert {e.life for e in read.of("process.exited")} == {
        Life(replica, attempt) for replica in (1, 2, 3) for attempt in (1, 2, 3)
    }
    found = failure_pattern(entries, phase="database", code=3, times=3, errors=["TimeoutError"])
    assert found.holds is True, found.says


def test_entries_without_an_instance_are_those_of_one_replica() -> None:
    entries = [
        {**entry, "labels": {}}
        for entry in log_entries(three_replicas())
        if entry["labels"]["instanceId"] == "1"
    ]

    read = trace_of(entries)

    assert read.replicas() == range(1, 2)
    assert [e.life for e in read.of("process.exited")] == [Life(1, n) for n in (1, 2, 3)]


def of(trace: Trace, events: list[Event]) -> Trace:
    """A trace of these events."""
    return Trace(header=trace.header, events=tuple(events))
