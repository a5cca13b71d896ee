"""The traces of a matrix: which are taken, which are made, and which are made again."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from matrices import HANGS, RETRIES, SLOTS, TRACES, UNLIKE, small, write

from crashloop.apps import sample_app
from crashloop.incidents import INCIDENTS
from crashloop.matrix.execution import Matrix
from crashloop.matrix.page import page
from crashloop.matrix.result import Found, What
from crashloop.matrix.stored import stored
from crashloop.survey.children import Answer
from crashloop.survey.evidence import Evidence
from crashloop.survey.plan import Planned
from crashloop.survey.progress import Progress
from crashloop.survey.view import PlainView

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crashloop.trace.event import Trace

RUNS = [
    Planned(incident=name, title=name, params={}, scale=20.0, expected_s=expected_s)
    for name, expected_s in ((HANGS, 2.0), (RETRIES, 1.0), (SLOTS, 3.0))
]


@dataclass(slots=True, kw_only=True)
class Lab:
    """Writes the next of each name's traces into the folder of a run, the last one again."""

    traces: dict[str, list[Trace]] = field(
        default_factory=lambda: {name: [trace] for name, trace in TRACES.items()}
    )
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    now: int = 0
    most: int = 0

    async def ask(self, words: Sequence[str], **_: Any) -> Answer:
        name = words[1]
        self.asked.append(name)
        self.now += 1
        self.most = max(self.most, self.now)
        for _turn in range(3):
            await asyncio.sleep(0)
        self.now -= 1
        if traces := self.traces.get(name):
            write(traces[0], Path(words[words.index("--artifacts") + 1]))
            del traces[:-1]
        return Answer(document=self.answers.get(name, {"exit_status": 0}), took_s=1.0)


def matrix(
    lab: Lab, folder: Path, *, makes: bool = True, at_once: int = 2, runs: Sequence[Planned] = RUNS
) -> tuple[Matrix, StringIO]:
    said = StringIO()
    return (
        Matrix(
            library=small(),
            runs=runs,
            stored=stored([folder]),
            evidence=Evidence(folder, sample_app()) if makes else None,
            view=PlainView(Progress(at_once=lambda _: at_once), said, earlier="by a stored trace"),
            at_once=at_once,
            ask=lab.ask,
        ),
        said,
    )


async def found(lab: Lab, folder: Path, **how: Any) -> Found:
    made, _ = matrix(lab, folder, **how)
    await made.run()
    return made.so_far()


async def test_all_traces_are_made_the_longest_first_and_no_more_at_once_than_allowed(
    tmp_path: Path,
) -> None:
    lab = Lab()
    result = await found(lab, tmp_path)
    assert lab.asked == [SLOTS, HANGS, RETRIES]
    assert lab.most == 2
    assert (result.exit_status, len(result.cells), result.again) == (0, 9, ())


async def test_each_run_is_said_with_its_own_verdict_and_the_time_left(tmp_path: Path) -> None:
    made, said = matrix(Lab(), tmp_path, at_once=1)
    await made.run()
    lines = said.getvalue().splitlines()
    assert lines[0] == f"{SLOTS}: started; 0 of 3 runs done, about 5 s left"
    assert lines[1] == f"{SLOTS}: REPRODUCED in 0 s; 1 of 3 runs done, about 5 s left"


async def test_a_matrix_goes_on_with_the_traces_that_are_there(tmp_path: Path) -> None:
    await found(Lab(traces={HANGS: [TRACES[HANGS]]}), tmp_path, runs=RUNS[:1])
    lab = Lab()
    made, said = matrix(lab, tmp_path)
    await made.run()
    assert lab.asked == [SLOTS, RETRIES]
    assert f"{HANGS}: REPRODUCED, by a stored trace" in said.getvalue()
    assert made.so_far().exit_status == 0


async def test_stored_traces_alone_are_judged_and_what_has_none_is_missing(tmp_path: Path) -> None:
    write(TRACES[HANGS], tmp_path / "proof" / "reproduction")
    write(TRACES[SLOTS], tmp_path / "any")
    lab = Lab()
    result = await found(lab, tmp_path, makes=False)
    assert lab.asked == []
    assert [(each.what, each.name) for each in result.missing] == [(What.TRACE, RETRIES)]
    assert (len(result.cells), result.exit_status) == (6, 11)


async def test_a_signature_that_was_changed_needs_no_new_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await found(Lab(), tmp_path)
    known = INCIDENTS[HANGS]
    fewer = known.expect(known.defaults)[:-1]
    monkeypatch.setitem(INCIDENTS, HANGS, replace(known, expect=lambda _: fewer))
    lab = Lab()
    await found(lab, tmp_path)
    assert lab.asked == []


@pytest.mark.parametrize(
    "changes",
    [
        {"params": {"limit_s": 8.0}},
        {"role": "control"},
        {"deadline_s": 1.0},
        {"is_own_app": True},
        {"app": {"knobs": {"limit_s": 8.0}}},
        {"app": {"knobs": {"no_such_knob": True}}},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_a_trace_of_another_outage_is_made_again_beside_it(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    trace = TRACES[HANGS]
    header = {**trace.header, "scenario": {**trace.header["scenario"], **changes}}
    write(replace(trace, header=header), tmp_path / HANGS)
    lab = Lab()
    result = await found(lab, tmp_path, runs=RUNS[:1])
    assert lab.asked == [HANGS]
    (column,) = result.columns
    assert column.path == str(tmp_path / f"{HANGS}-2" / "trace.jsonl")


async def test_a_knob_that_the_app_did_not_have_then_changes_nothing_at_its_default(
    tmp_path: Path,
) -> None:
    trace = TRACES[HANGS]
    scenario = trace.header["scenario"]
    knobs = {name: value for name, value in scenario["app"]["knobs"].items() if name != "retry_s"}
    app = {**scenario["app"], "knobs": knobs}
    older = {name: value for name, value in scenario.items() if name != "journey_after_heal"}
    header = {**trace.header, "scenario": {**older, "app": app}}
    write(replace(trace, header=header), tmp_path / HANGS)
    lab = Lab()
    await found(lab, tmp_path, runs=RUNS[:1])
    assert lab.asked == []


@pytest.mark.parametrize("text", ["", "{}", "{torn", "[]\n", "[" * 100_000, '{"scenario": 1}\n'])
async def test_a_file_that_is_no_trace_is_made_again(tmp_path: Path, text: str) -> None:
    write(TRACES[HANGS], tmp_path / HANGS).write_text(text)
    lab = Lab()
    await found(lab, tmp_path, runs=RUNS[:1])
    assert lab.asked == [HANGS]


async def test_a_torn_trace_of_the_same_name_is_made_again(tmp_path: Path) -> None:
    path = write(TRACES[HANGS], tmp_path / HANGS)
    path.write_text(path.read_text().partition("\n")[0] + "\n{}\n")
    lab = Lab()
    await found(lab, tmp_path, runs=RUNS[:1])
    assert lab.asked == [HANGS]


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def cut_short(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-3]))


def broken_within(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"\n{", b"\n[", 1))


def newer(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"crashloop.trace/2", b"crashloop.trace/9"))


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def gone(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def broke(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"run.finished"', b'"harness.failed"'))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (torn, "the trace's last line is torn"),
        (cut_short, "the trace has no end"),
        (broken_within, ":2 is not JSON"),
        (newer, "has the schema 'crashloop.trace/9'"),
        (emptied, "it is empty"),
        (a_folder, "it is no regular file"),
        (a_pipe, "it is no regular file"),
        (gone, "No such file or directory"),
        (broke, "the harness broke"),
    ],
)
async def test_a_stored_trace_that_cannot_be_used_is_named_and_counts_as_none(
    tmp_path: Path, change: Callable[[Path], None], why: str
) -> None:
    path = write(TRACES[HANGS], tmp_path / "one")
    change(path)
    result = await found(Lab(), tmp_path, makes=False, runs=RUNS[:1])
    assert (What.TRACE, HANGS) in {(each.what, each.name) for each in result.missing}
    assert (result.cells, result.exit_status) == ([], 11)
    assert why in result.unusable[str(path)]
    assert str(path) in result.unusable[str(path)]


async def test_what_is_wrong_with_the_newest_trace_is_why_there_is_none(tmp_path: Path) -> None:
    torn(write(TRACES[HANGS], tmp_path / "one"))
    result = await found(Lab(), tmp_path, makes=False, runs=RUNS[:1])
    assert "the trace's last line is torn" in {m.name: m.why for m in result.missing}[HANGS]
    assert "### Traces that cannot be used" in page(result)


async def test_an_older_trace_is_taken_where_the_newest_is_torn(tmp_path: Path) -> None:
    for folder, at in (("a", "2026-01-01"), ("b", "2026-01-02")):
        header = {**TRACES[HANGS].header, "at": at}
        write(replace(TRACES[HANGS], header=header), tmp_path / folder)
    torn(tmp_path / "b" / "trace.jsonl")
    result = await found(Lab(), tmp_path, makes=False, runs=RUNS[:1])
    assert [each.path for each in result.columns] == [str(tmp_path / "a" / "trace.jsonl")]
    assert [*result.unusable] == [str(tmp_path / "b" / "trace.jsonl")]


async def test_the_newest_trace_that_shows_its_own_incident_counts(tmp_path: Path) -> None:
    for folder, trace, at in (
        ("a", TRACES[HANGS], "2026-01-01"),
        ("b", TRACES[HANGS], "2026-01-02"),
        ("c", UNLIKE, "2026-01-03"),
    ):
        write(replace(trace, header={**trace.header, "at": at}), tmp_path / folder)
    (column,) = (await found(Lab(), tmp_path, runs=RUNS[:1])).columns
    assert column.path == str(tmp_path / "b" / "trace.jsonl")


async def test_a_run_that_does_not_show_its_incident_is_made_once_more_alone(
    tmp_path: Path,
) -> None:
    lab = Lab()
    lab.traces[SLOTS] = [replace(TRACES[SLOTS], events=TRACES[SLOTS].events[:9]), TRACES[SLOTS]]
    result = await found(lab, tmp_path)
    assert lab.asked == [SLOTS, HANGS, RETRIES, SLOTS]
    assert (result.again, result.exit_status) == ((SLOTS,), 0)


async def test_a_run_that_never_shows_its_incident_is_missing_on_the_diagonal(
    tmp_path: Path,
) -> None:
    lab = Lab()
    lab.traces[HANGS] = [UNLIKE]
    result = await found(lab, tmp_path)
    assert lab.asked.count(HANGS) == 2
    assert [(each.what, each.name) for each in result.missing] == [(What.DIAGONAL, HANGS)]
    assert result.exit_status == 10


async def test_what_is_refused_is_missing_with_its_reason_and_not_tried_again(
    tmp_path: Path,
) -> None:
    lab = Lab(answers={SLOTS: {"error": "no Postgres here", "exit_status": 11}})
    lab.traces[SLOTS] = []
    result = await found(lab, tmp_path)
    assert lab.asked.count(SLOTS) == 1
    assert [each.why for each in result.missing] == ["no Postgres here"]
    assert result.exit_status == 11


async def test_a_run_that_broke_is_tried_once_more(tmp_path: Path) -> None:
    lab = Lab(answers={SLOTS: {"error": "it broke", "exit_status": 12}})
    lab.traces[SLOTS] = []
    result = await found(lab, tmp_path)
    assert lab.asked.count(SLOTS) == 2
    assert [each.why for each in result.missing] == ["it broke"]


async def test_what_this_machine_cannot_run_is_missing_with_its_reason(tmp_path: Path) -> None:
    lab = Lab()
    runs = [RUNS[0], replace(RUNS[1], why="no PgBouncer")]
    result = await found(lab, tmp_path, runs=runs)
    assert lab.asked == [HANGS]
    assert {each.name: each.why for each in result.missing}[RETRIES] == "no PgBouncer"


async def test_a_matrix_that_is_cancelled_has_what_its_ended_runs_show(tmp_path: Path) -> None:
    lab, second = Lab(), asyncio.Event()

    async def ask(words: Sequence[str], **more: Any) -> Answer:
        if words[1] == HANGS:
            second.set()
            await asyncio.Event().wait()
        return await lab.ask(words, **more)

    made, _ = matrix(lab, tmp_path, at_once=1)
    made.ask = ask
    work = asyncio.create_task(made.run())
    await second.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert [each.trace for each in made.so_far().columns] == [SLOTS]


async def test_the_document_has_cells_false_matches_what_is_missing_and_the_time(
    tmp_path: Path,
) -> None:
    document = json.loads(json.dumps((await found(Lab(), tmp_path)).to_json()))
    assert {"cells", "false_matches", "missing", "wall_s", "exit_status"} <= set(document)
    keys = "signature trace verdict expected decided_by why unmet by_count"
    assert {frozenset(each) for each in document["cells"]} == {frozenset(keys.split())}
    assert document["rejected_share"] == 1.0
