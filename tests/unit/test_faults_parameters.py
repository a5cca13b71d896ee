"""What the parameters of faults take: as it is shown, and as it is refused."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import pytest
from command_line import command_line
from faults_alone import ALONE

from crashloop.commands.fault_parameters import commands, described, document
from crashloop.errors import CapabilityError, UsageError
from crashloop.faults import KINDS, fault_kind, plan
from crashloop.faults.parameter import Takes, parameters, takes
from crashloop.incidents import incident
from crashloop.model import Moment, Trigger
from crashloop.options import RunOptions, rerun_command
from crashloop.preflight import require_runnable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crashloop.model import PlannedFault, Scenario, Value

NEVER = Trigger(first_of=(Moment(on="never"),))
PLANNED = "it was planned and not run"

NEEDED: dict[str, dict[str, Value]] = {
    **{kind: dict(alone.params) for kind, alone in ALONE.items()},
    "shared_capacity": {"table": "orders", "work_s": 1.0},
    "many_workers": {"workers": 2},
    "revision_change": {},
}
DEPEND = {"variation_bytes", "average_bytes", "low_s", "high_s", "limit_mib", "old_limit_mib"}
"""Parameters of which one bounds another."""


def numbers() -> Iterator[tuple[str, str]]:
    for kind, found in KINDS.items():
        for name, one in parameters(found).items():
            if one.takes.unit not in {"text", "flag"}:
                yield kind, name


def planned(kind: str, **params: Value) -> PlannedFault:
    target = min(fault_kind(kind).acts_on)
    given = {**NEEDED[kind], **params}
    return plan(name="x", target=target, kind=kind, inject=NEVER, heal=NEVER, params=given)


@pytest.mark.parametrize(("kind", "name"), [*numbers()])
def test_a_number_beyond_its_bounds_is_refused_with_the_bounds(kind: str, name: str) -> None:
    takes = parameters(KINDS[kind])[name].takes
    beyond = [takes.least - 1, takes.most + 1, float("nan"), float("inf")]
    for value in [*beyond, *([takes.least] if takes.above else [])]:
        with pytest.raises(UsageError, match=f"the fault {kind} got {name}=") as refusal:
            planned(kind, **{name: value})
        assert refusal.value.hint == f"{name} is {takes.bounds}"


@pytest.mark.parametrize(("kind", "name"), [each for each in numbers() if each[1] not in DEPEND])
def test_a_number_at_its_bounds_is_taken(kind: str, name: str) -> None:
    takes = parameters(KINDS[kind])[name].takes
    lowest = takes.least + 0.001 if takes.above else takes.least
    other = {"table": ""} if (kind, name) == ("lock_held", "advisory") else {}
    for value in (lowest, takes.most):
        assert planned(kind, **other, **{name: value}).params[name] == value


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (takes("s"), "seconds, 0 to 3600"),
        (takes("s", above=True), "seconds, more than 0, 3600 at most"),
        (takes("count", least=1, most=5, says="none: all"), "a whole number, 1 to 5 (none: all)"),
        (takes("share", least=0.01, most=0.99), "a share, 0.01 to 0.99"),
        (takes("flag"), "true or false"),
        (takes("text", says="a folder"), "a folder"),
    ],
)
def test_bounds_are_said_in_words(given: dict[str, Takes], words: str) -> None:
    assert given["takes"].bounds == words


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_is_shown_with_what_it_takes_and_its_default(kind: str) -> None:
    shown = described(KINDS[kind])
    assert [each["name"] for each in document(KINDS[kind])] == list(shown)
    for name, one in parameters(KINDS[kind]).items():
        assert one.takes.bounds in shown[name]
        assert ("default" in shown[name]) is not one.is_needed


def test_the_value_of_a_run_of_the_fault_alone_is_shown() -> None:
    assert described(KINDS["latency"])["latency_s"].endswith("; 2 where the fault is run alone")
    assert described(KINDS["latency"])["jitter_s"].endswith("; default 0")
    limit = described(KINDS["memory_limit"])["limit_mib"]
    assert limit == "MiB, 6 to 1048576; 32 where the fault is run alone; default 512"


def pasted() -> Iterator[tuple[str, str]]:
    for kind, found in KINDS.items():
        for command in commands(found):
            yield kind, command


@pytest.mark.parametrize(("kind", "command"), [*pasted()])
def test_every_command_that_is_shown_can_be_pasted(
    kind: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds: list[str] = []

    async def plan_alone(scenario: Scenario, options: RunOptions) -> Any:
        require_runnable(scenario, options.scale, options.engine)
        kinds.extend(fault.kind for fault in scenario.faults)
        raise UsageError(PLANNED)

    monkeypatch.setattr("crashloop.commands.reproduce.run_scenario", plan_alone)
    monkeypatch.chdir(tmp_path)
    program, *words = shlex.split(command)

    status, _, err = command_line(*words)

    assert program == "crashloop"
    if status == CapabilityError.exit_status:
        pytest.skip(err)
    assert f"error: {PLANNED}" in err
    assert kind in kinds


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_that_is_described_shows_what_to_type(kind: str) -> None:
    status, out, _ = command_line("faults", kind)
    assert status == 0
    assert "Make it happen" in out
    for command in commands(KINDS[kind]):
        assert command in out.replace(" \\\n  ", " ")
    for name in parameters(KINDS[kind]):
        assert f"  {name}  " in out


def test_what_runs_a_fault_alone_again_is_written_as_a_user_writes_it() -> None:
    made = incident("fault:hold:delay_s=3").scenario()
    again = "crashloop reproduce --fault hold:delay_s=3 --seed 7"
    assert rerun_command(made, RunOptions(seed=7)) == again


def test_the_key_of_a_lock_keeps_each_of_its_digits() -> None:
    (fault,) = incident("fault:lock_held:advisory=9007199254740993").scenario().faults
    assert fault.params == {"advisory": 2**53 + 1}
