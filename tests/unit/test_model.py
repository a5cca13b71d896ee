"""The records: what survives JSON, and what a digest identifies."""

import json
from dataclasses import replace

import pytest

from crashloop.incidents import INCIDENTS
from crashloop.model import CheckSpec, Moment, Role, Signature, Trigger, Verdict

SIGNATURES = [
    pytest.param(signature, id=f"{incident.name} {name}")
    for incident in INCIDENTS.values()
    for name, signature in [
        *((str(role), incident.scenario(role).signature) for role in Role),
        ("healthy", incident.healthy(incident.scenario(Role.CONTROL))),
    ]
]


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_signature_survives_json_with_its_digest(signature: Signature) -> None:
    again = Signature.from_json(json.loads(json.dumps(signature.to_json())))
    assert again.digest() == signature.digest()
    assert again.to_json() == signature.to_json()
    assert len(signature.digest()) == 64


def test_another_parameter_gives_another_digest() -> None:
    one = Signature(name="x", require=(), expect=(CheckSpec(check="a", params={"n": 1}),))
    other = replace(one, expect=(CheckSpec(check="a", params={"n": 2}),))
    assert one.digest() != other.digest()
    assert one.digest() != replace(one, name="y").digest()
    assert one.digest() != replace(one, require=one.expect, expect=()).digest()


def test_the_order_of_parameters_does_not_change_the_digest() -> None:
    digests = {
        Signature(name="x", require=(CheckSpec(check="a", params=params),), expect=()).digest()
        for params in ({"n": 1, "m": 2}, {"m": 2, "n": 1})
    }
    assert len(digests) == 1


def test_a_control_runs_signature_needs_no_fault() -> None:
    needs = CheckSpec(check="a", needs_fault=True)
    keeps = CheckSpec(check="b")
    signature = Signature(name="x", require=(needs, keeps), expect=(keeps,))
    assert signature.without_faults().require == (keeps,)
    assert signature.without_faults().expect == (keeps,)


def test_every_verdict_has_its_own_exit_status_and_only_one_is_0() -> None:
    statuses = {verdict: verdict.exit_status for verdict in Verdict}
    assert len(set(statuses.values())) == len(Verdict)
    assert [v for v, status in statuses.items() if status == 0] == [Verdict.REPRODUCED]


def test_a_trigger_reads_as_a_sentence() -> None:
    trigger = Trigger(
        first_of=(
            Trigger(
                all_of=(
                    Moment(on="process.exited", where={"replica": 1, "attempt": 3}),
                    Moment(on="process.exited", where={"replica": 2, "attempt": 3}),
                )
            ),
            Moment(on="phase.started", where={"phase": "database"}, after_s=90.0),
        )
    )
    assert str(trigger) == (
        "[process.exited (replica 1, attempt 3), and process.exited (replica 2, attempt 3)], "
        "or 90 s after phase.started (phase database)"
    )
