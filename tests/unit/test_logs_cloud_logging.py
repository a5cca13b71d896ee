"""Cloud Logging's entries: as JSON lines, as one array, and as gcloud prints them."""

from __future__ import annotations

import io
import json
import random
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from crashloop.diagnosis.order import in_order
from crashloop.diagnosis.reading import Reading
from crashloop.log_files import read_lines
from crashloop.logs.cloud_run import cloud_run_event
from crashloop.logs.formats import FORMATS, entries

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.diagnosis.case import Case

INSTANCE = "00aa"
PROBE = (
    'Default STARTUP TCP probe failed 1 time consecutively for container "web-1" on port 8080. '
    "The instance was not started.\nConnection failed with status DEADLINE_EXCEEDED."
)


def entry(number: int, log: str, **payload: Any) -> dict[str, Any]:
    return {
        "insertId": f"id{number}",
        "timestamp": f"2026-08-04T09:12:{number:02}.377410Z",
        "labels": {"instanceId": INSTANCE},
        "resource": {
            "type": "cloud_run_revision",
            "labels": {"service_name": "web", "revision_name": "web-1"},
        },
        "logName": f"projects/p/logs/run.googleapis.com%2F{log}",
        **payload,
    }


ENTRIES = [
    entry(1, "varlog%2Fsystem", textPayload="Starting new instance. Reason: AUTOSCALING - x"),
    entry(2, "stderr", textPayload="INFO:     Started server process [1]"),
    entry(3, "stdout", jsonPayload={"event": "phase.failed", "mono_ns": 7, "phase": "database"}),
    entry(4, "stderr", textPayload="Traceback (most recent call last):\n"
          '  File "a.py", line 1, in b\nValueError: no: "x" and more words than fit in one line, '
          "so that it is folded where YAML folds"),
    entry(5, "varlog%2Fsystem", textPayload=PROBE),
    entry(6, "varlog%2Fsystem", textPayload="Container called exit(3)."),
]  # fmt: skip


def written(found: list[dict[str, Any]], form: str) -> str:
    if form == "lines":
        return "".join(json.dumps(each) + "\n" for each in found)
    if form == "yaml":
        return "---\n" + "---\n".join(yaml.safe_dump(each) for each in found)
    return json.dumps(found, indent=2 if form == "pretty" else None)


def case_of(text: str, folder: Path) -> Case:
    file = folder / "log"
    file.write_text(text)
    kept, doubled = in_order(list(entries(read_lines(str(file)))))
    reading = Reading()
    reading.read(kept)
    return reading.case(read=0, doubled=doubled)


def told(case: Case) -> list[tuple[str, object]]:
    return [(e.kind, e.replica) for e in case.trace.events]


@pytest.mark.parametrize("form", ["lines", "array", "pretty", "yaml"])
def test_the_entries_are_the_same_in_every_form(form: str, tmp_path: Path) -> None:
    case = case_of(written(ENTRIES, form), tmp_path)

    assert told(case) == [
        ("process.started", 1), ("log.server", 1), ("phase.failed", 1), ("log.error", 1),
        ("probe.failed", 1), ("process.exited", 1),
    ]  # fmt: skip
    (life,) = case.lives
    assert (life.source, life.failed) == (f"web/web-1/{INSTANCE}", True)
    (error,) = case.trace.of("log.error")
    assert str(error.data["error"][0]["message"]).endswith("where YAML folds")


def test_the_order_of_the_file_does_not_matter_and_a_doubled_entry_counts_once(
    tmp_path: Path,
) -> None:
    shuffled = [*ENTRIES, *ENTRIES[2:4]]
    random.Random(1).shuffle(shuffled)  # noqa: S311  repeatable

    for found in (ENTRIES[::-1], shuffled):
        assert told(case_of(written(found, "lines"), tmp_path)) == told(
            case_of(written(ENTRIES, "lines"), tmp_path)
        )


def test_lines_of_one_instant_are_turned_with_a_file_that_begins_with_the_newest(
    tmp_path: Path,
) -> None:
    lines = ["Traceback (most recent call last):", '  File "a.py", line 1, in b', "ValueError: x"]
    same = [{**entry(4, "stderr", textPayload=line), "insertId": line} for line in lines]
    found = [*ENTRIES[:2], *same, ENTRIES[5]]

    case = case_of(written(found[::-1], "lines"), tmp_path)

    assert [e.kind for e in case.trace.events][2] == "log.error"


def test_a_line_that_is_cited_is_the_one_where_its_entry_begins(tmp_path: Path) -> None:
    case = case_of(written(ENTRIES, "pretty"), tmp_path)

    (ended,) = case.trace.of("process.exited")
    (cited,) = case.lines(ended)
    line = written(ENTRIES, "pretty").splitlines().index('    "insertId": "id6",')
    assert (cited.line, cited.text) == (line, "Container called exit(3).")


def test_an_array_that_is_cut_off_is_read_up_to_there(tmp_path: Path) -> None:
    text = written(ENTRIES, "pretty")

    assert len(told(case_of(text[: int(len(text) * 0.6)], tmp_path))) == 3


@pytest.mark.parametrize(
    ("text", "kind", "data"),
    [
        (PROBE, "probe.failed", {"probe": "startup", "port": 8080, "error": "DEADLINE_EXCEEDED"}),
        ("Container terminated on signal 9.", "process.exited", {"exit_code": 137, "signal": 9}),
        ("Memory limit of 512 MiB exceeded with 516 MiB used. Consider increasing the memory limit",
         "platform.said", {"says": "memory-limit-exceeded"}),
        (("Permission denied on secret: projects/1/secrets/x/versions/latest for Revision service "
         "account a@b"), "platform.said", {"says": "secret-denied"}),
    ],
)  # fmt: skip
def test_a_message_of_cloud_run_is_an_event(text: str, kind: str, data: dict[str, Any]) -> None:
    event = cloud_run_event(text)

    assert event is not None
    assert event.kind == kind
    assert data.items() <= event.data.items()


def test_what_an_app_writes_about_cloud_run_is_not_said_by_it(tmp_path: Path) -> None:
    said = "x: Container called exit(3)."

    assert cloud_run_event(said) is None
    assert case_of(written([entry(1, "stdout", textPayload=said)], "yaml"), tmp_path).lives == ()


def test_a_document_with_aliases_is_left_out(tmp_path: Path) -> None:
    text = written(ENTRIES, "yaml") + "---\ninsertId: &a x\ntextPayload: *a\n"

    assert len(told(case_of(text, tmp_path))) == 6


def test_each_form_is_recognised() -> None:
    for form, name in (("lines", "cloud-logging"), ("yaml", "gcloud-yaml")):
        head = list(io.StringIO(written(ENTRIES, form)).read().splitlines())
        assert max(FORMATS.values(), key=lambda one: one.fits(head)).name == name
