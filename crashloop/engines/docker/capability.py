"""The faults and restart policies that the Docker engine offers, and which part makes a fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from crashloop.errors import CapabilityError
from crashloop.model import Transport
from crashloop.proxy.faults import KINDS

if TYPE_CHECKING:
    from crashloop.model import RestartPolicy, Scenario

Maker = Literal["sidecar", "toxiproxy", "gate"]

ENGINE_CAPABILITIES = ("postgres", "cache", "unix", "tcp", "kernel", "docker")

MAKERS: dict[tuple[Transport, str], Maker] = {
    **{
        (Transport.UNIX, kind): "sidecar"
        for kind, fault in KINDS.items()
        if Transport.UNIX in fault.transports
    },
    (Transport.UNIX, "latency"): "toxiproxy",
    (Transport.TCP, "latency"): "toxiproxy",
    (Transport.TCP, "refuse"): "gate",
    (Transport.TCP, "black_hole"): "gate",
}
"""The part that makes a fault: our own proxy as the side-car, Toxiproxy, or the kernel at its port.

Over TCP the app connects to Toxiproxy, which accepts every connection at once, so nothing there can
hold one. A delayed connect() would need to know when the client sent its first SYN.
"""

_WHY_NOT = {
    "hold": "Toxiproxy accepts every connection at once and cannot hold one",
    "connect_delay": "it would have to act in the network namespace of the app's own container",
}

DOCKERS_POLICIES = ("on-failure", "always", "unless-stopped")


def require_possible(scenario: Scenario) -> None:
    """Raise CapabilityError for a fault or a restart policy that this engine does not have."""
    for fault in scenario.faults:
        if (scenario.transport, fault.kind) not in MAKERS:
            why = "a Unix socket has no SYN to drop"
            if scenario.transport is Transport.TCP:
                why = _WHY_NOT.get(fault.kind, "Toxiproxy does not show which connections it hit")
            raise CapabilityError(
                f"the Docker engine has no fault {fault.kind} over {scenario.transport}: {why}",
                hint=f"use --engine local, or one of these {_offered()}",
            )
    docker_policy(scenario.policy)


def makers(scenario: Scenario) -> dict[str, Maker]:
    """The part that makes each fault of the scenario, by the fault's name."""
    return {fault.name: MAKERS[scenario.transport, fault.kind] for fault in scenario.faults}


def docker_policy(policy: RestartPolicy) -> dict[str, object]:
    """The policy as the API takes it; CapabilityError for one that is not Docker's."""
    if policy.name not in DOCKERS_POLICIES:
        raise CapabilityError(
            f"Docker has no restart policy {policy.name}",
            hint=f"use {', '.join(DOCKERS_POLICIES)}, or --engine local, where it is modelled",
        )
    count = policy.max_restarts if policy.name == "on-failure" else 0
    return {"Name": policy.name, "MaximumRetryCount": count}


def _offered() -> str:
    return "; ".join(
        f"over {transport}: {', '.join(kind for over, kind in MAKERS if over is transport)}"
        for transport in Transport
    )
