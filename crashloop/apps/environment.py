"""The environment of this machine that an app's command runs in."""

from __future__ import annotations

import os
import sys
import sysconfig
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.model import AppUnderTest


def python_of(app: AppUnderTest) -> str:
    """The Python that `{python}` stands for: that of the app's `venv`, else crashloop's own."""
    return str(Path(app.venv, "bin", "python")) if app.venv else sys.executable


def inherited(app: AppUnderTest, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables of `environment` that the app gets, with its `venv` first on PATH.

    Where it has a `venv`, crashloop's own virtual environment is taken off PATH.
    """
    found = {
        name: value
        for name, value in environment.items()
        if any(fnmatchcase(name, pattern) for pattern in app.inherit_env)
    }
    if app.venv:
        found["PATH"] = os.pathsep.join([str(Path(app.venv, "bin")), *_without_ours(found)])
    return found


def _without_ours(environment: Mapping[str, str]) -> list[str]:
    folders = environment.get("PATH", os.defpath).split(os.pathsep)
    if sys.prefix == sys.base_prefix:  # installed with the system's own programs
        return folders
    ours = os.path.realpath(sysconfig.get_path("scripts"))
    return [folder for folder in folders if os.path.realpath(folder) != ours]
