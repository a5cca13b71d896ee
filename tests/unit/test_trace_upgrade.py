"""Traces of schema 1, recorded by the version that wrote them, are read and judged as they were."""

from __future__ import annotations

import contextlib
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashloop.errors import UsageError
from crashloop.judge import judge, recorded_signature
from crashloop.model import Signature, Verdict
from crashloop.model.signature import digest_of
from crashloop.trace import upgrade
from crashloop.trace.event import JOURNEY_ENDED, SCHEMA, Trace
from crashloop.trace.reader import parse_trace

RECORDED = Path(__file__).parents[2] / "fixtures" / "recorded" / "schema-1"
VERDICTS = {
    "reproduction": Verdict.REPRODUCED,
    "latency": Verdict.REPRODUCED,
    "black-hole": Verdict.REPRODUCED,
    "refused": Verdict.NOT_REPRODUCED,
    "control": Verdict.NOT_REPRODUCED,
    "remedy": Verdict.NOT_REPRODUCED,
    "unplugged": Verdict.INCONCLUSIVE,
}


def recorded(name: str) -> bytes:
    return gzip.decompress((RECORDED / f"{name}.jsonl.gz").read_bytes())


def header_of(name: str) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(recorded(name).partition(b"\n")[0])
    return header


def with_header(name: str, **entries: Any) -> bytes:
    rest = recorded(name).partition(b"\n")[2]
    return json.dumps({**header_of(name), **entries}).encode() + b"\n" + rest


def read(raw: bytes) -> Trace:
    return parse_trace(raw)


def test_each_kind_of_recorded_run_has_a_case() -> None:
    assert {path.name.partition(".")[0] for path in RECORDED.iterdir()} == set(VERDICTS)


@pytest.mark.parametrize("name", VERDICTS)
def test_a_recorded_run_keeps_its_verdict(name: str) -> None:
    judgement = judge(read(recorded(name)))
    assert judgement.verdict is VERDICTS[name], judgement.reason
    assert not [f.says for f in judgement.findings if "could not read" in f.says]


@pytest.mark.parametrize("name", VERDICTS)
def test_an_upgraded_trace_is_one_of_todays_schema(name: str) -> None:
    trace = read(recorded(name))
    assert trace.header["schema"] == SCHEMA
    again = parse_trace(
        b"".join(
            json.dumps(record).encode() + b"\n"
            for record in (trace.header, *(event.to_json() for event in trace.events))
        )
    )
    assert again == trace
    assert judge(again) == judge(trace)


def test_events_have_their_replica_target_and_todays_kinds() -> None:
    trace = read(recorded("reproduction"))
    assert {e.replica for e in trace.events if e.attempt} == {1}
    assert {e.target for e in trace.of("link.opened", "fault.injected")} == {"postgres"}
    assert (
        trace.address("postgres") == trace.of("phase.started", phase="database")[0].data["address"]
    )
    assert [e.data["step"] for e in trace.of("journey.step")] == [1, 2, 3]
    assert trace.of("ready.answered")[-1].data["ready"] is True
    assert trace.of("run.finished")[0].data["how"] == JOURNEY_ENDED
    old = {"golden.row", "probe.answered"}
    assert not old & set(trace.by_kind)


def test_a_degraded_answer_is_not_ready_until_the_database_is_there() -> None:
    answers = read(recorded("remedy")).of("ready.answered")
    assert [e.data["ready"] for e in answers] == [False, True]
    assert answers[0].data["answer"]["phases.database"] == "degraded"


@pytest.mark.parametrize("wrong", [[], {}, 3, None])
def test_an_answer_that_cannot_be_read_is_not_ready(wrong: object) -> None:
    first, *rest = recorded("control").splitlines()
    lines = [first]
    for line in rest:
        event = json.loads(line)
        if event["kind"] == "probe.answered":
            event["data"]["status"] = wrong
        lines.append(json.dumps(event).encode())
    answers = read(b"\n".join(lines) + b"\n").of("ready.answered")
    assert [e.data["ready"] for e in answers] == [False]


TAMPERED: dict[str, Any] = {
    "a requirement less": {"require": []},
    "another number of deaths": {"expect": [{"check": "no_death", "params": {}}]},
}


def tampered(entry: dict[str, Any]) -> dict[str, Any]:
    signature: dict[str, Any] = {**header_of("reproduction")["signature"], **entry}
    signature["expect"] = [{"needs_fault": False, **spec} for spec in signature["expect"]]
    return signature


@pytest.mark.parametrize("how", TAMPERED)
def test_a_signature_that_was_changed_after_the_run_is_refused(how: str) -> None:
    trace = read(with_header("reproduction", signature=tampered(TAMPERED[how])))
    with pytest.raises(UsageError, match="changed after the run: its digest differs"):
        recorded_signature(trace)


def test_not_even_the_digest_of_the_upgraded_signature_makes_it_fit() -> None:
    signature = tampered({"require": []})
    header = {**header_of("reproduction"), "signature": signature}
    forged = Signature.from_json(upgrade.header(header)["signature"]).digest()
    raw = with_header("reproduction", signature=signature, signature_sha256=forged)
    with pytest.raises(UsageError, match="changed after the run"):
        judge(read(raw))


def test_a_signature_with_a_digest_of_its_own_is_accepted_as_it_always_was() -> None:
    signature = tampered({"require": []})
    raw = with_header("reproduction", signature=signature, signature_sha256=digest_of(signature))
    assert recorded_signature(read(raw)).require == ()


def test_a_signature_that_names_no_check_is_no_readable_one() -> None:
    wrong: list[object] = [None, [], "x"]
    for signature in wrong:
        with pytest.raises(UsageError, match="no readable signature"):
            judge(read(with_header("control", signature=signature)))


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("scenario", {"incident": "issue-1278"}),
        ("signature", {"name": "x", "require": 3, "expect": []}),
        ("signature", {"name": "x"}),
    ],
)
def test_a_header_that_lacks_a_part_is_named(part: str, value: object) -> None:
    with pytest.raises(UsageError, match="trace:1 cannot be upgraded to"):
        read(with_header("control", **{part: value}))


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)
LINES = recorded("control").splitlines()[1:]


@settings(max_examples=40, deadline=None)
@given(line=st.sampled_from(LINES), data=st.data())
def test_no_value_in_an_old_line_crashes_the_reader(line: bytes, data: st.DataObject) -> None:
    event = json.loads(line)
    where = data.draw(st.sampled_from([event, event["data"]]))
    where[data.draw(st.sampled_from(sorted(where) or ["x"]))] = data.draw(JSON)
    raw = recorded("control").partition(b"\n")[0] + b"\n" + json.dumps(event).encode() + b"\n"
    with contextlib.suppress(UsageError):
        assert judge(read(raw)).reason
