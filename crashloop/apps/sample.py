"""The sample app's entry, found without importing the app."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.apps.entry import load_entry
from crashloop.errors import CapabilityError
from crashloop.extras import INSTALL

if TYPE_CHECKING:
    from crashloop.model import AppUnderTest

PACKAGE = "app_under_test"
EXTRA = "sample"
NAME = "sample"
FILE = "crashloop.toml"


def sample_app() -> AppUnderTest:
    """The entry of the sample app; CapabilityError if the app is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / FILE
        if path.is_file():
            return _entry(path)
    raise CapabilityError(
        f"the sample app is not installed: there is no {PACKAGE}/{FILE}",
        hint=INSTALL,
    )


@functools.cache
def _entry(path: Path) -> AppUnderTest:
    """The entry in an installed file, which does not change; a whole library asks for it often."""
    return load_entry(path, NAME)
