"""What the local engine lacks, so that it is said before anything starts."""

from __future__ import annotations

import socket
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.engines.cache import PROGRAM, has_redis, require_loading
from crashloop.engines.mounts import require_namespace
from crashloop.engines.names import require_names
from crashloop.engines.pgbouncer import find_pgbouncer
from crashloop.engines.postgres_settings import postgres_settings
from crashloop.errors import CapabilityError, UsageError
from crashloop.faults import fault_kind
from crashloop.faults.cache import Loading
from crashloop.faults.process.read_only_files import ReadOnlyFiles
from crashloop.model import Grade, Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.faults.base import Fault
    from crashloop.model import AppUnderTest, Dependency, PlannedFault, Scenario


FAKE = "fakeredis answers so"


def require_possible(scenario: Scenario, *, platform: str = sys.platform) -> None:
    """Raise CapabilityError for what this machine or engine lacks.

    Raises UsageError for two dependencies of a kind, for settings that one cannot have, and for a
    folder that is not there.
    """
    for dependency in scenario.dependencies:
        check = _CHECKS.get(dependency.kind)
        if check is None:
            raise CapabilityError(
                f"the local engine has no dependency of the kind {dependency.kind!r}",
                hint=f"known: {', '.join(_CHECKS)}",
            )
        check(dependency)
    kinds = Counter(each.kind for each in scenario.dependencies if each.kind != "tcp")
    if twice := [kind for kind, count in kinds.items() if count > 1]:
        raise UsageError(
            f"the scenario has more than one dependency of the kind {twice[0]}",
            hint="a run starts one server of a kind",
        )
    for fault in scenario.faults:
        _require_fault(fault.kind)
        if fault.kind == ReadOnlyFiles.kind:
            _require_folder(str(fault.params.get("folder", ".")), scenario.app)
    if platform != "linux":
        for fault in scenario.faults:
            _require_no_proc(fault, platform)


def needs_namespace(kind: type[Fault]) -> bool:
    """Whether a fault needs a mount namespace: of the lives, or of the database."""
    return bool(kind.replaces) or kind.kind == "disk_full"


def needs(kind: type[Fault]) -> str:
    """What a fault needs of a Linux besides what every run needs, in words; "" for nothing."""
    found = []
    if needs_namespace(kind):
        found.append("where this user may make a mount namespace")
    if kind.needs_address:
        found.append(f"where the loopback has {kind.needs_address}")
    if kind.alone is not None and kind.alone.pooler:
        found.append("where PgBouncer is installed")
    if kind is Loading:
        found.append(f"where {PROGRAM} is installed; else {FAKE}: modelled")
    return ", and ".join(found)


def stands_for(kind: type[Fault]) -> str:
    """What stands for a fault on this machine and not on every one; "" for nothing."""
    if kind is Loading and not has_redis():
        return f"{FAKE}, as no {PROGRAM} is installed"
    return ""


def _require_fault(name: str) -> None:
    kind = fault_kind(name)
    if kind.replaces == "names":
        require_names(name)
    elif needs_namespace(kind):
        require_namespace(name)
    if kind.needs_address:
        _require_address(name, kind.needs_address)
    if kind is Loading:
        require_loading()


def _require_folder(folder: str, app: AppUnderTest) -> None:
    """Refuse a folder that is not there before the app starts, unless it is one made for it."""
    works_in = f"the app's working folder, {app.cwd}" if app.cwd else "a new, empty folder"
    found = Path(app.cwd, folder)
    is_there = found.is_dir() if app.cwd or found.is_absolute() else found == Path()
    if not is_there:
        raise UsageError(
            f"the fault read_only_files has folder={folder}, and there is no such folder",
            hint=f"give one that is there before the app starts; it may be relative to {works_in}",
        )


def _require_address(fault: str, host: str) -> None:
    try:
        with socket.socket(
            socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM
        ) as probe:
            probe.bind((host, 0))
    except OSError as error:
        raise CapabilityError(
            f"the fault {fault} listens at {host}, which this machine does not have: {error}",
            hint="switch IPv6 on for the loopback: sysctl net.ipv6.conf.lo.disable_ipv6=0",
        ) from error


def _require_postgres(dependency: Dependency) -> None:
    postgres_settings(dependency.settings)
    if dependency.pooler:
        find_pgbouncer()


def _require_redis(dependency: Dependency) -> None:
    if dependency.transport is not Transport.TCP:
        raise CapabilityError(
            "the local engine has no Redis on a Unix socket", hint="give redis the transport tcp"
        )
    if dependency.settings:
        raise UsageError(
            f"a scenario cannot set {', '.join(dependency.settings)} of Redis",
            hint="it can set nothing of it",
        )


def _require_no_proc(fault: PlannedFault, platform: str) -> None:
    if fault.receipt.grade in {Grade.KERNEL, Grade.PROCESS} or fault.kind in _STOPS:
        raise CapabilityError(
            f"what shows the fault {fault.kind} stands in Linux's /proc, and this is {platform}",
            hint="use fault=hold or fault=refuse, or run it on Linux",
        )


_STOPS = {"recovering"}
"""Faults that stop a process and wait until /proc says so, and have a receipt of their own."""

_CHECKS: dict[str, Callable[[Dependency], None]] = {
    "postgres": _require_postgres,
    "redis": _require_redis,
    "tcp": lambda _: None,
}
