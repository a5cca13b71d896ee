"""Causes that are no incidents of the library: one module for each kind, found by itself."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.diagnosis.cause import Cause


def _found() -> Iterator[Cause]:
    for each in pkgutil.iter_modules(__path__):
        yield from importlib.import_module(f"{__name__}.{each.name}").CAUSES


CAUSES: tuple[Cause, ...] = tuple(_found())
"""Every cause of this package."""
