"""An app by its name: one of the user's own, or the sample app as one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.apps.entry import load_entry
from crashloop.apps.file import TABLES, nearest_file, read_apps
from crashloop.apps.sample import NAME, sample_app

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.model import AppUnderTest


def find_entry(name: str, *, folder: Path, file: Path | None = None) -> AppUnderTest:
    """The app `name` of `file`, or of the nearest file in `folder` or above it.

    `sample` is the sample app, unless a file there has an app of that name. Raises UsageError as
    `load_entry` does, and where no file has an app; CapabilityError if the sample app is not
    installed.
    """
    if file is None and name == NAME and not _is_described(name, folder):
        return sample_app()
    return load_entry(file or nearest_file(folder), name)


def _is_described(name: str, folder: Path) -> bool:
    """Whether a file in the folder, or above it, has an app of this name."""
    paths = [each / file for each in (folder, *folder.parents) for file in TABLES]
    return any(name in read_apps(path)[1] for path in paths if path.is_file())
