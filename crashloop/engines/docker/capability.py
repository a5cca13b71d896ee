"""What the Docker engine can make happen, and who makes it there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from crashloop.errors import CapabilityError
from crashloop.model import Transport

if TYPE_CHECKING:
    from crashloop.model import RestartPolicy, Scenario

Maker = Literal["sidecar", "toxiproxy", "gate"]

ENGINE_CAPABILITIES = ("postgres", "cache", "unix", "tcp", "kernel", "docker")

MAKERS: dict[tuple[Transport, str], Maker] = {
    (Transport.UNIX, "hold"): "sidecar",
    (Transport.UNIX, "refuse"): "sidecar",
    (Transport.UNIX, "latency"): "toxiproxy",
    (Transport.TCP, "latency"): "toxiproxy",
    (Transport.TCP, "refuse"): "gate",
    (Transport.TCP, "black_hole"): "gate",
}
"""Who makes a fault: our own proxy as the side-car, Toxiproxy, or the kernel at Toxiproxy's port.

Over TCP the app's connection goes straight to Toxiproxy, which accepts every one at once, so that
nobody there can hold one; a delay of connect() has to know when a client sent its first SYN.
"""

_NO_SYN = "a Unix socket's kernel knows no SYN to drop"
_WHY_NOT = {
    (Transport.UNIX, "black_hole"): _NO_SYN,
    (Transport.UNIX, "connect_delay"): _NO_SYN,
    (Transport.TCP, "hold"): "Toxiproxy accepts every connection at once and cannot hold one",
    (
        Transport.TCP,
        "connect_delay",
    ): "it would have to act in the network namespace of the app's own container",
}

DOCKERS_POLICIES = ("on-failure", "always", "unless-stopped")


def require_possible(scenario: Scenario) -> None:
    """CapabilityError for a fault that nobody makes here, or a policy that is not Docker's."""
    for fault in scenario.faults:
        if (scenario.transport, fault.kind) not in MAKERS:
            why = _WHY_NOT.get((scenario.transport, fault.kind), "there is no such fault")
            raise CapabilityError(
                f"the Docker engine has no fault {fault.kind} over {scenario.transport}: {why}",
                hint=f"use --engine local, or one of these: {_offered()}",
            )
    docker_policy(scenario.policy)


def makers(scenario: Scenario) -> frozenset[Maker]:
    """Who is needed for the scenario's faults."""
    return frozenset(MAKERS[scenario.transport, fault.kind] for fault in scenario.faults)


def docker_policy(policy: RestartPolicy) -> dict[str, object]:
    """The policy in the API's own words; CapabilityError for one that is not Docker's."""
    if policy.name not in DOCKERS_POLICIES:
        raise CapabilityError(
            f"Docker has no restart policy {policy.name}",
            hint=f"use {', '.join(DOCKERS_POLICIES)}, or --engine local, where it is modelled",
        )
    count = policy.max_restarts if policy.name == "on-failure" else 0
    return {"Name": policy.name, "MaximumRetryCount": count}


def _offered() -> str:
    return ", ".join(f"{kind} over {transport}" for transport, kind in MAKERS)
