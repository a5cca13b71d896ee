"""What the Docker engine offers, and how it refuses the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest
from crashloop.supervisor.policy import POLICIES

from crashloop.engines.docker.capability import (
    DOCKERS_POLICIES,
    docker_policy,
    makers,
    require_possible,
)
from crashloop.errors import CapabilityError
from crashloop.incidents import incident
from crashloop.model import Grade, Moment, PlannedFault, RestartPolicy, Scenario, Transport, Trigger
from crashloop.proxy.faults import KINDS

EVERY = [(transport, kind) for transport in Transport for kind in KINDS]
OVER_UNIX = set(KINDS) - {"black_hole", "connect_delay"}
OFFERED = {(Transport.UNIX, kind): "sidecar" for kind in OVER_UNIX} | {
    (Transport.UNIX, "latency"): "toxiproxy",
    (Transport.TCP, "latency"): "toxiproxy",
    (Transport.TCP, "refuse"): "gate",
    (Transport.TCP, "black_hole"): "gate",
}
WHY_NOT = {
    (Transport.TCP, "hold"): "accepts every connection at once and cannot hold one",
    (Transport.TCP, "connect_delay"): "in the network namespace of the app's own container",
}


def scenario(transport: Transport, *kinds: str, policy: str = "on-failure") -> Scenario:
    never = Trigger(first_of=(Moment(on="never"),))
    faults = tuple(
        PlannedFault(name=kind, kind=kind, params={}, grade=Grade.DIRECT, inject=never, heal=never)
        for kind in kinds
    )
    made = incident("issue-1278").scenario()
    return replace(made, transport=transport, faults=faults, policy=RestartPolicy(name=policy))


@pytest.mark.parametrize(("transport", "kind"), EVERY)
def test_every_fault_on_every_transport_is_made_here_or_refused_with_a_reason(
    transport: Transport, kind: str
) -> None:
    wanted = scenario(transport, kind)

    if (transport, kind) in OFFERED:
        require_possible(wanted)
        assert makers(wanted) == {kind: OFFERED[transport, kind]}
    else:
        with pytest.raises(CapabilityError) as refused:
            require_possible(wanted)
        assert f"no fault {kind} over {transport}: " in refused.value.message
        assert WHY_NOT.get((transport, kind), "") in refused.value.message
        assert "--engine local" in refused.value.hint


def test_a_refusal_lists_every_supported_fault() -> None:
    with pytest.raises(CapabilityError) as refused:
        require_possible(scenario(Transport.TCP, "hold"))

    assert refused.value.hint.endswith("; over tcp: latency, refuse, black_hole")
    assert all(kind in refused.value.hint for kind in OVER_UNIX)


def test_one_unsupported_fault_refuses_the_whole_plan() -> None:
    with pytest.raises(CapabilityError, match="no fault connect_delay over tcp"):
        require_possible(scenario(Transport.TCP, "latency", "connect_delay"))


def test_each_fault_of_a_plan_has_its_maker() -> None:
    wanted = scenario(Transport.TCP, "latency", "refuse", "black_hole")

    assert makers(wanted) == {"latency": "toxiproxy", "refuse": "gate", "black_hole": "gate"}


def test_a_plan_without_faults_needs_nothing() -> None:
    wanted = scenario(Transport.TCP)

    require_possible(wanted)
    assert makers(wanted) == {}


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_every_policy_of_the_model_is_dockers_own_or_refused(name: str) -> None:
    wanted = scenario(Transport.UNIX, policy=name)

    if name == "cloud-run-observed":
        with pytest.raises(CapabilityError, match=f"no restart policy {name}") as refused:
            require_possible(wanted)
        assert "on-failure, always, unless-stopped" in refused.value.hint
    else:
        require_possible(wanted)
        assert name in DOCKERS_POLICIES


@pytest.mark.parametrize("count", [0, 6])
def test_on_failure_takes_its_count_to_docker(count: int) -> None:
    policy = RestartPolicy(name="on-failure", max_restarts=count)

    assert docker_policy(policy) == {"Name": "on-failure", "MaximumRetryCount": count}


@pytest.mark.parametrize("name", ["always", "unless-stopped"])
def test_a_policy_without_a_limit_is_given_none(name: str) -> None:
    # Docker refuses a count with any other policy than on-failure.
    policy = RestartPolicy(name=name, max_restarts=6)

    assert docker_policy(policy) == {"Name": name, "MaximumRetryCount": 0}
