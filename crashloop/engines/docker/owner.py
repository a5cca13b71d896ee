"""The owner of a run on the daemon: a label that names the process that started the run."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from pathlib import Path

from crashloop.engines import reaper

OWNER_LABEL = "org.crashloop.owner"

_PID = re.compile("[0-9]{1,10}")


class Owner(StrEnum):
    """Whether the process that started a run is still alive.

    UNKNOWN: it ran on another machine, in another namespace of process ids (a container's), before
    this machine was booted, or its label cannot be read.
    """

    ALIVE = "alive"
    UNKNOWN = "unknown"
    DEAD = "dead"


def owner_label(pid: int | None = None) -> str:
    """The label's value for a process (default: this one): its machine, id and start."""
    pid = os.getpid() if pid is None else pid
    return f"{_here()}/{pid}/{reaper.identity(pid)}"


def owner_of(label: str) -> Owner:
    """Whether the process that a label names is alive."""
    here, pid, started = (*label.split("/", 2), "", "")[:3]
    if here != _here() or not _PID.fullmatch(pid) or not started:
        return Owner.UNKNOWN
    return Owner.ALIVE if reaper.identity(int(pid)) == started else Owner.DEAD


def boot_id() -> str:
    """Identifies this machine since its last boot; containers on the same kernel share it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return os.uname().nodename


def _here() -> str:
    """This machine, and the namespace in which a process id has a meaning."""
    try:
        return f"{boot_id()}:{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return boot_id()
