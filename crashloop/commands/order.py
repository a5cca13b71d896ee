"""What was typed for a run, checked before anything starts."""

from __future__ import annotations

import os
import shlex
import tempfile
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
        engine=engine_named(order.engine),
        artifacts=_free(order.artifacts or artifacts_folder(folder_name)),
    )


def _free(artifacts: Path) -> Path:
    """The folder as an absolute path; UsageError where it cannot take a run's evidence.

    Nothing is made yet: a run that is refused leaves no empty folder behind.
    """
    try:
        artifacts = artifacts.absolute()
        with tempfile.TemporaryFile(dir=_nearest(artifacts)):
            pass
    except OSError as error:
        raise UsageError(
            f"cannot write evidence into {artifacts}: {error.strerror}",
            hint="name a folder that you may write to: --artifacts DIR",
        ) from None
    for folder in (artifacts, *(artifacts / str(role) for role in Role)):
        if os.path.lexists(folder / TRACE_FILE):
            raise UsageError(
                f"--artifacts {artifacts} already has the evidence of another run",
                hint="name a new folder; evidence is never overwritten",
            )
    return artifacts


def _nearest(folder: Path) -> Path:
    """The folder itself, or the closest one above it that exists."""
    return next(one for one in (folder, *folder.parents) if os.path.lexists(one))
