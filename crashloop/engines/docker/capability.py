"""What the Docker engine offers: which part makes a fault, and whose restarts a platform's are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from crashloop.apps.sample import NAME as SAMPLE
from crashloop.engines.postgres_settings import postgres_settings
from crashloop.errors import CapabilityError, UsageError
from crashloop.faults import fault_kind
from crashloop.faults.proxied import ProxiedFault
from crashloop.model import Transport
from crashloop.proxy.faults import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.faults.base import Fault
    from crashloop.model import AppUnderTest, Dependency, PlannedFault, Platform, Scenario

Maker = Literal["sidecar", "toxiproxy", "gate"]

POSTGRES = "postgres"
REDIS = "redis"
APP_IMAGE = "CRASHLOOP_DOCKER_APP_IMAGE"
ENGINE_CAPABILITIES = ("postgres", "redis", "unix", "tcp", "kernel", "replicas", "probes", "docker")

_NEEDS_SYNS = ("black_hole", "connect_delay")
_BY_SIDECAR: dict[str, Maker] = {kind: "sidecar" for kind in KINDS if kind not in _NEEDS_SYNS}
MAKERS: Mapping[tuple[str, Transport], Mapping[str, Maker]] = {
    (POSTGRES, Transport.UNIX): {**_BY_SIDECAR, "latency": "toxiproxy"},
    (POSTGRES, Transport.TCP): {"latency": "toxiproxy", "refuse": "gate", "black_hole": "gate"},
    (REDIS, Transport.TCP): _BY_SIDECAR,
}
"""The part that makes a fault: our own proxy as the side-car, Toxiproxy, or the kernel at its port.

To Postgres over TCP the app connects to Toxiproxy, which accepts every connection at once, so
nothing there can hold one. A delayed connect() would need to know when the client sent its first
SYN.
"""

_WHY_NOT = {
    "hold": "Toxiproxy accepts every connection at once and cannot hold one",
    "slow_connect": "Toxiproxy accepts every connection at once and cannot hold one",
    "connect_delay": "it would have to act in the network namespace of the app's own container",
}

_CREATED = "a container keeps the {} that it was created with, and a restart changes none"
_TOLD = "Docker does not restart a container to which it was told to send a signal"
_NAMES = "Docker itself answers the look-ups of the app's container"
LACKS: Mapping[str, str] = {
    "recovering": "the start of a container cannot be held at the moment when Postgres recovers",
    "disk_full": "the data of Postgres are on a disk of the Docker daemon",
    "killed": _TOLD,
    "sigterm_during_start": _TOLD,
    "missing_setting": _CREATED.format("environment"),
    "port_in_use": "each container has ports of its own, which nobody else can take",
    "other_port": _CREATED.format("command"),
    "loopback_only": _CREATED.format("command"),
    "read_only_files": _CREATED.format("mounts"),
    "many_workers": _CREATED.format("environment"),
    "name_unknown": _NAMES,
    "name_late": _NAMES,
    "wrong_host": _NAMES,
    "ipv6_first": _NAMES,
}
"""Faults that are not to be had here, and why."""

DOCKERS_PLATFORM = "docker"


def require_possible(scenario: Scenario) -> None:
    """Raise CapabilityError for a dependency or a fault that this engine does not have.

    Raises UsageError for settings that a dependency cannot have.
    """
    _require_image(scenario.app)
    if POSTGRES not in {each.kind for each in scenario.dependencies}:
        raise CapabilityError("the Docker engine needs a Postgres", hint="use --engine local")
    for dependency in scenario.dependencies:
        if dependency.kind == "tcp":
            raise CapabilityError(
                f"on the Docker engine, the app cannot reach the service {dependency.name}: the "
                "networks of a run have no route to anything that runs elsewhere",
                hint="use --engine local",
            )
        if (dependency.kind, dependency.transport) not in MAKERS:
            raise CapabilityError(
                f"the Docker engine has no {dependency.kind} over {dependency.transport}",
                hint="use --engine local",
            )
        if dependency.kind == POSTGRES:
            postgres_settings(dependency.settings)
        elif dependency.settings:
            raise UsageError(
                f"a scenario cannot set {', '.join(dependency.settings)} of Redis",
                hint="it can set nothing of it",
            )
    for fault in scenario.faults:
        _require_fault(scenario, fault)


def _require_fault(scenario: Scenario, fault: PlannedFault) -> None:
    if fault.kind in LACKS:
        raise lacking(fault.kind)
    if proxied := proxied_kind(fault):
        maker(scenario.dependency(fault.target), proxied)


def no_lives() -> CapabilityError:
    """Why no fault can act on the app's own processes."""
    return CapabilityError(
        "on the Docker engine, the app's processes are in a container, which starts each the same "
        "way",
        hint="use --engine local",
    )


def lacking(kind: str) -> CapabilityError:
    """The error for a fault that this engine lacks."""
    return CapabilityError(
        f"the Docker engine has no fault {kind}: {LACKS[kind]}", hint="use --engine local"
    )


def _require_image(app: AppUnderTest) -> None:
    """Refuse a user's own app that has no image: only the sample app has one."""
    if app.name == SAMPLE or app.image or app.build or (os.environ.get(APP_IMAGE) and not app.venv):
        return
    why = "is not in a container" if app.venv else "needs an image with its packages"
    what = f"the virtual environment of app {app.name}" if app.venv else f"app {app.name}"
    raise CapabilityError(
        f"on the Docker engine, {what} {why}",
        hint="use --engine local; or "
        + ("leave out `venv`, and " if app.venv else "")
        + "give its entry an `image` or a `build`; or name an image that has its packages, python "
        f"and sh, into which the folder `cwd` is copied: {APP_IMAGE}=IMAGE",
    )


def maker(dependency: Dependency, kind: str) -> Maker:
    """The part that makes a proxy's fault on the path to a dependency.

    CapabilityError, with the reason, if none does.
    """
    offered = MAKERS[dependency.kind, dependency.transport]
    if kind in offered:
        return offered[kind]
    why = "a Unix socket has no SYN to drop"
    if dependency.kind == REDIS:
        why = "the app's sockets are in another network namespace than the side-car's"
    elif dependency.transport is Transport.TCP:
        why = _WHY_NOT.get(kind, "Toxiproxy does not show which connections it hit")
    raise CapabilityError(
        f"the Docker engine has no fault {kind} on {dependency.name} over "
        f"{dependency.transport}: {why}",
        hint=f"use --engine local, or one of these: {', '.join(offered)}",
    )


def paths(kind: type[Fault]) -> tuple[str, str]:
    """Where a fault of the proxy is made, and where it is not, in words; "" for nowhere."""
    found: dict[bool, list[str]] = {True: [], False: []}
    for (dependency, transport), offered in MAKERS.items():
        is_fit = dependency in kind.acts_on and transport in kind.transports
        if is_fit and issubclass(kind, ProxiedFault):
            is_made = kind.proxy_kind.kind in offered
            found[is_made].append(f"to {dependency} over {transport}")
    return " and ".join(found[True]), " or ".join(found[False])


def makers(scenario: Scenario) -> set[Maker]:
    """The parts that make the faults of the scenario."""
    return {
        maker(scenario.dependency(fault.target), kind)
        for fault in scenario.faults
        if (kind := proxied_kind(fault))
    }


def proxied_kind(fault: PlannedFault) -> str:
    """The kind of the proxy's fault that makes this one; empty if none does."""
    kind = fault_kind(fault.kind)
    return kind.proxy_kind.kind if issubclass(kind, ProxiedFault) else ""


def is_dockers_own(platform: Platform) -> bool:
    """Whether Docker itself restarts the containers; else our own supervisor does."""
    probes = (platform.startup, platform.liveness, platform.readiness)
    return platform.name == DOCKERS_PLATFORM and not any(probes)


def restart_policy(platform: Platform, *, is_old: bool = False) -> dict[str, object]:
    """The restart policy of a container, as the API takes it; the old revision has none."""
    if is_old or not is_dockers_own(platform):
        return {"Name": "no", "MaximumRetryCount": 0}
    policy = platform.restart
    count = policy.max_restarts if policy.name == "on-failure" else 0
    return {"Name": policy.name, "MaximumRetryCount": count}
