"""The command-line options of a run, checked before anything starts."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.apps import find_entry
from crashloop.clock import REAL_TIME, TimeScale
from crashloop.engines.binaries import find_binaries
from crashloop.engines.catalogue import LOCAL, engine_named
from crashloop.errors import UsageError
from crashloop.incidents.fault_alone import PREFIX as FAULT
from crashloop.model import Role
from crashloop.options import RunOptions, new_seed
from crashloop.run import TRACE_FILE, artifacts_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashloop.model import AppUnderTest


def incident_name(incident: str | None, fault: str) -> str:
    """The name of what is to happen: an incident, or by --fault one fault alone."""
    if incident and fault:
        raise UsageError(
            f"{incident} and --fault {fault} exclude each other",
            hint="an incident has its faults; leave out one of the two",
        )
    if not incident and not fault:
        raise UsageError(
            "nothing was named that is to happen",
            hint="name an incident of `crashloop incidents`, or --fault NAME of `crashloop faults`",
        )
    return incident or f"{FAULT}{fault.removeprefix(FAULT)}"


def read_params(given: Sequence[str]) -> dict[str, str]:
    """The parameters given as NAME=VALUE, by name."""
    params: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise UsageError(f"--param {one!r} is not NAME=VALUE", hint="as in --param limit_s=25")
        if name in params:
            raise UsageError(f"--param {name} was given twice", hint="give each parameter once")
        params[name] = value
    return params


def own_app(name: str | None, config: Path | None) -> AppUnderTest | None:
    """The user's own app by --app and --config; None for the sample app."""
    if name is not None:
        return find_entry(name, folder=Path.cwd(), file=config)
    if config is not None:
        raise UsageError(
            f"--config {config} was given without --app",
            hint="name an app of that file: --app NAME",
        )
    return None


def read_scale(time_scale: float | None, *, real_time: bool, ordinary: float) -> TimeScale:
    """The scale given by --time-scale or --real-time; `ordinary` if neither was given."""
    if time_scale is None:
        return TimeScale(factor=REAL_TIME if real_time else ordinary)
    if real_time:
        raise UsageError(
            f"--real-time and --time-scale {time_scale:g} exclude each other",
            hint="--real-time is a scale of 1; leave one of them out",
        )
    return TimeScale(factor=time_scale)


def run_options(
    folder_name: str,
    *,
    app: str,
    config: Path | None,
    scale: TimeScale,
    seed: int | None,
    artifacts: Path | None,
    postgres_bin: Path | None,
    engine: str,
) -> RunOptions:
    """The complete options of a run; UsageError if they are invalid or the folder was used before.

    `folder_name` begins the name of a new folder for the evidence where none was given.
    """
    if postgres_bin is not None:
        if engine != LOCAL:
            raise UsageError(
                f"--postgres-bin and --engine {engine} exclude each other",
                hint="there the image brings Postgres: CRASHLOOP_DOCKER_POSTGRES_IMAGE names it",
            )
        find_binaries(postgres_bin)
    return RunOptions(
        app=app,
        config=config,
        scale=scale,
        seed=new_seed() if seed is None else seed,
        engine=engine_named(engine),
        postgres_bin=postgres_bin,
        artifacts=_free(artifacts or artifacts_folder(folder_name)),
    )


def _free(artifacts: Path) -> Path:
    """The folder as an absolute path; UsageError if it cannot take a run's evidence.

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
