"""What the local engine cannot do is said before anything starts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from crashloop.engines.possible import require_possible
from crashloop.errors import CapabilityError, CrashloopError, UsageError
from crashloop.faults import plan
from crashloop.model import (
    AppUnderTest,
    Dependency,
    Moment,
    Replicas,
    Role,
    Scenario,
    Signature,
    Transport,
    Trigger,
)
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from crashloop.model import PlannedFault, Value

KINDS = ("postgres", "redis")
POSTGRES = Dependency(name="postgres", kind="postgres")
REDIS = Dependency(name="redis", kind="redis")
NOW = Trigger(first_of=(Moment(on="baseline.passed"),))


def scenario(
    *faults: PlannedFault, dependencies: tuple[Dependency, ...] = (POSTGRES, REDIS)
) -> Scenario:
    return Scenario(
        incident="any",
        title="any",
        params={},
        role=Role.REPRODUCTION,
        app=AppUnderTest(name="any", command=("true",)),
        dependencies=dependencies,
        platform=parse_platform("docker"),
        faults=faults,
        signature=Signature(name="any", require=(), expect=()),
        deadline_s=1,
    )


def fault(kind: str, target: str = "postgres", **params: Value) -> PlannedFault:
    return plan(name="any", target=target, kind=kind, inject=NOW, heal=NOW, params=params)


def refusal(wanted: Scenario, *, platform: str = "linux") -> CrashloopError:
    with pytest.raises(CrashloopError) as caught:
        require_possible(wanted, kinds=KINDS, platform=platform)
    return caught.value


def test_a_scenario_that_asks_for_nothing_special_is_possible_anywhere() -> None:
    unix = replace(POSTGRES, transport=Transport.UNIX)
    for dependencies in ((), (POSTGRES, REDIS), (unix, REDIS)):
        wanted = scenario(dependencies=dependencies)
        require_possible(wanted, kinds=KINDS, platform="darwin")


def test_receipts_of_the_kernel_need_linux() -> None:
    wanted = scenario(fault("black_hole"))
    require_possible(wanted, kinds=KINDS, platform="linux")
    error = refusal(wanted, platform="darwin")
    assert isinstance(error, CapabilityError)
    assert "black_hole" in error.message
    assert "darwin" in error.message


def test_a_dropped_syn_needs_tcp() -> None:
    unix = replace(POSTGRES, transport=Transport.UNIX)
    error = refusal(scenario(fault("black_hole"), dependencies=(unix, REDIS)))
    assert isinstance(error, CapabilityError)
    assert "cannot act on postgres over unix" in error.message
    assert "tcp" in error.hint
    wanted = scenario(fault("black_hole", "redis"), dependencies=(unix, REDIS))
    require_possible(wanted, kinds=KINDS, platform="linux")


def test_redis_has_no_unix_socket() -> None:
    unix = replace(REDIS, transport=Transport.UNIX)
    assert isinstance(refusal(scenario(dependencies=(unix,))), CapabilityError)


def test_an_unknown_kind_of_dependency_is_named_with_the_known_ones() -> None:
    error = refusal(scenario(dependencies=(Dependency(name="kafka", kind="kafka"),)))
    assert isinstance(error, CapabilityError)
    assert "kafka" in error.message
    assert "postgres, redis" in error.hint


def test_a_run_has_one_dependency_of_a_kind() -> None:
    error = refusal(scenario(dependencies=(POSTGRES, replace(POSTGRES, name="other"))))
    assert isinstance(error, UsageError)


def test_a_fault_acts_on_a_dependency_of_the_scenario() -> None:
    error = refusal(scenario(fault("hold", "redis"), dependencies=(POSTGRES,)))
    assert isinstance(error, UsageError)
    assert "'redis'" in error.message


def test_a_revision_change_needs_an_old_revision() -> None:
    wanted = scenario(fault("revision_change", "replicas"))
    error = refusal(wanted)
    assert isinstance(error, UsageError)
    assert "overlap" in error.hint
    require_possible(replace(wanted, replicas=Replicas(overlap=1)), kinds=KINDS, platform="linux")
