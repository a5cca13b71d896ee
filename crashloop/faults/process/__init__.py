"""The faults of the app's own processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.faults.process.cpu_starved import CpuStarved
from crashloop.faults.process.many_workers import ManyWorkers
from crashloop.faults.process.memory_limit import MemoryLimit
from crashloop.faults.process.missing_setting import MissingSetting
from crashloop.faults.process.port import LoopbackOnly, OtherPort, PortInUse
from crashloop.faults.process.read_only_files import ReadOnlyFiles
from crashloop.faults.process.signals import Killed, SigtermDuringStart

if TYPE_CHECKING:
    from crashloop.faults.base import Fault

FAULTS: tuple[type[Fault], ...] = (
    Killed,
    MissingSetting,
    SigtermDuringStart,
    CpuStarved,
    MemoryLimit,
    PortInUse,
    OtherPort,
    LoopbackOnly,
    ReadOnlyFiles,
    ManyWorkers,
)
