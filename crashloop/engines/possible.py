"""What a scenario may ask of the local engine, checked before anything starts."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from crashloop.errors import CapabilityError, UsageError
from crashloop.faults import REPLICAS, fault_kind
from crashloop.model import Grade, Transport

if TYPE_CHECKING:
    from collections.abc import Collection

    from crashloop.model import Dependency, PlannedFault, Scenario

REVISION_CHANGE = "revision_change"


def require_possible(
    scenario: Scenario, *, kinds: Collection[str], platform: str = sys.platform
) -> None:
    """Raise CapabilityError for what this machine lacks, UsageError for what has no meaning.

    `kinds` are the kinds of dependencies that can be started.
    """
    for dependency in scenario.dependencies:
        _require_dependency(dependency, kinds)
    twice = [kind for kind, n in Counter(d.kind for d in scenario.dependencies).items() if n > 1]
    if twice:
        raise UsageError(f"a run has one dependency of a kind, and this one has two: {twice[0]}")
    for fault in scenario.faults:
        _require_fault(fault, scenario, platform)


def _require_dependency(dependency: Dependency, kinds: Collection[str]) -> None:
    if dependency.kind not in kinds:
        raise CapabilityError(
            f"the local engine has no dependency of the kind {dependency.kind!r}",
            hint=f"known: {', '.join(sorted(kinds))}",
        )
    if dependency.kind == "redis" and dependency.transport is not Transport.TCP:
        raise CapabilityError(
            "the local engine offers Redis over TCP only", hint="give redis the transport tcp"
        )


def _require_fault(fault: PlannedFault, scenario: Scenario, platform: str) -> None:
    kind = fault_kind(fault.kind)
    if fault.receipt.grade is Grade.KERNEL and platform != "linux":
        raise CapabilityError(
            f"the fault {fault.kind} needs receipts from Linux's /proc, and this is {platform}",
            hint="use fault=hold or fault=refuse, or run it on Linux",
        )
    if fault.kind == REVISION_CHANGE and not scenario.replicas.overlap:
        raise UsageError(
            "the fault revision_change needs an old revision, and the scenario has none",
            hint="give the replicas an overlap of 1 or more",
        )
    if fault.target == REPLICAS:
        return
    targets = {each.name: each for each in scenario.dependencies}
    if fault.target not in targets:
        raise UsageError(
            f"the fault {fault.name} acts on {fault.target!r}, which the scenario does not have",
            hint=f"its dependencies: {', '.join(targets) or 'none'}",
        )
    transport = targets[fault.target].transport
    if transport not in kind.transports:
        raise CapabilityError(
            f"the fault {fault.kind} cannot act on {fault.target} over {transport}",
            hint=f"it can over: {', '.join(sorted(kind.transports))}",
        )
