"""The faults of the app's own processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.faults.process.missing_setting import MissingSetting

if TYPE_CHECKING:
    from crashloop.faults.base import Fault

FAULTS: tuple[type[Fault], ...] = (MissingSetting,)
