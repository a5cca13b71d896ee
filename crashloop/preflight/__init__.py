"""Checks before a run starts anything, so that a refusal comes at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.apps import about_entry, inherited, python_of
from crashloop.engines.catalogue import LOCAL
from crashloop.errors import CapabilityError, UsageError
from crashloop.platforms.probes import probes_of
from crashloop.preflight.capacity import require_room
from crashloop.preflight.command import (
    require_command,
    require_program,
    require_remedies,
    require_setup,
)
from crashloop.preflight.ready import require_ready
from crashloop.preflight.scenario import require_consistent

if TYPE_CHECKING:
    from crashloop.clock import TimeScale
    from crashloop.engines.base import Engine
    from crashloop.model import AppUnderTest, Scenario


_PROGRAMS = {"command": require_command, "setup": require_setup, "remedies": require_remedies}
"""What of an entry starts programs on this machine, and how each is checked."""


def require_runnable(scenario: Scenario, scale: TimeScale, engine: type[Engine]) -> None:
    """Refuse what cannot run: CapabilityError or UsageError with what to do."""
    if scenario.real_time_only and not scale.is_real_time:
        raise CapabilityError(
            f"this scenario runs in real time only: {scenario.real_time_only}",
            hint="run it at a time scale of 1: --real-time, or --crashloop-time-scale 1 in pytest",
        )
    require_consistent(scenario, scale)
    engine.require_possible(scenario)
    with about_entry(scenario.app, "command"):
        require_ready(scenario.app)
    for field in ("build", "cwd", "venv"):
        with about_entry(scenario.app, field):
            _require_folder(scenario.app, field)
    if engine.name == LOCAL:  # elsewhere an image brings the app's environment
        _require_no_image(scenario.app)
        for field, require in _PROGRAMS.items():
            with about_entry(scenario.app, field):
                require(scenario.app)
        path = inherited(scenario.app).get("PATH", os.defpath)
        for purpose, probe in probes_of(scenario.platform).items():
            if probe.command:
                whose = f"the {purpose} probe of {scenario.platform.name}"
                require_program(probe.command[0], scenario.app.cwd, whose=whose, path=path)
        require_room(scenario, scale)


def _require_no_image(app: AppUnderTest) -> None:
    for field, value in (("image", app.image), ("build", app.build)):
        if value:
            raise CapabilityError(
                f"app {app.name} has an `{field}`, which only Docker can run: {value}",
                hint="use --engine docker; or give it a `command` in place of it",
            )


def _require_folder(app: AppUnderTest, field: str) -> None:
    """Refuse a folder of the entry that is not what it must be; those of an image are in it."""
    if field == "build" and app.build and not Path(app.build, "Dockerfile").is_file():
        raise UsageError(
            f"there is no Dockerfile of app {app.name} in {app.build}",
            hint="`build` in the app's entry is the folder of its Dockerfile",
        )
    if app.image or app.build:
        return
    if field == "cwd" and app.cwd and not Path(app.cwd).is_dir():
        raise UsageError(
            f"the folder of app {app.name} does not exist: {app.cwd}",
            hint="`cwd` in the app's entry is the folder in which its command runs",
        )
    if field == "venv" and app.venv and not os.access(python_of(app), os.X_OK):
        raise UsageError(
            f"the virtual environment of app {app.name} has no Python: {python_of(app)}",
            hint=f"make it: python3 -m venv {app.venv}; or correct `venv` in the app's entry",
        )
