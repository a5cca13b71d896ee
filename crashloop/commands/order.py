"""What was typed for a run, checked before anything starts."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crashloop.clock import TimeScale
from crashloop.engines.binaries import find_binaries
from crashloop.engines.catalogue import LOCAL, engine_named
from crashloop.errors import UsageError
from crashloop.incidents import incident
from crashloop.lab import new_seed
from crashloop.model import Role
from crashloop.run import TRACE_FILE, artifacts_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from crashloop.engines.base import Engine
    from crashloop.incidents.incident import Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A run as it was typed: `scale` None is the default one, `seed` None a fresh one."""

    incident: str
    params: Mapping[str, Any] = field(default_factory=dict)
    scale: float | None = None
    seed: int | None = None
    artifacts: Path | None = None
    postgres_bin: Path | None = None
    engine: str = LOCAL
    as_json: bool = False
    no_live: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An order with everything settled: the incident, scale, seed, and a folder for evidence."""

    order: Order
    incident: Incident
    scale: TimeScale
    seed: int
    artifacts: Path
    engine: type[Engine]

    @property
    def suffix(self) -> str:
        """What a command that runs it again needs besides the scenario's own words."""
        if self.order.postgres_bin is None:
            return ""
        return f" --postgres-bin {shlex.quote(str(self.order.postgres_bin))}"


def settle(order: Order, *, folder_name: str) -> Plan:
    """Check the order; UsageError for what is unknown or cannot be, and for a used folder.

    `folder_name` begins the name of a new folder where none was given.
    """
    chosen = incident(order.incident)
    scale = TimeScale() if order.scale is None else TimeScale(factor=order.scale)
    if order.postgres_bin is not None:
        if order.engine != LOCAL:
            raise UsageError(
                f"--postgres-bin and --engine {order.engine} exclude each other",
                hint="there the image brings Postgres: CRASHLOOP_DOCKER_POSTGRES_IMAGE names it",
            )
        find_binaries(order.postgres_bin)
    return Plan(
        order=order,
        incident=chosen,
        scale=scale,
        seed=new_seed() if order.seed is None else order.seed,
        artifacts=_fresh(order.artifacts) if order.artifacts else artifacts_folder(folder_name),
        engine=engine_named(order.engine),
    )


def _fresh(artifacts: Path) -> Path:
    """A folder that may take evidence: not there yet, or without a trace."""
    artifacts = artifacts.absolute()
    if artifacts.exists() and not artifacts.is_dir():
        raise UsageError(f"--artifacts {artifacts} is not a folder", hint="name a new folder")
    for folder in (artifacts, *(artifacts / str(role) for role in Role)):
        if (folder / TRACE_FILE).exists():
            raise UsageError(
                f"--artifacts {artifacts} has the evidence of another run already",
                hint="name a new folder; evidence is never written over",
            )
    return artifacts
