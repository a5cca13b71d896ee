"""Which process a socket belongs to, and which session a process belongs to."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def owner_pid(inode: int, pids: Iterable[int]) -> int | None:
    """Which of these processes, or of their sessions, has the socket open; None if none has."""
    leaders = tuple(pids)
    return _owner(inode, leaders) or _owner(inode, members(leaders))


def session_of(pid: int | None) -> int | None:
    """The session of a process, by its leader's id; None if the process is gone or unknown."""
    if pid is None:
        return None
    with suppress(OSError):
        return os.getsid(pid)
    return None


def _owner(inode: int, pids: Iterable[int]) -> int | None:
    wanted = f"socket:[{inode}]"
    for pid in pids:
        with suppress(OSError):  # the process has ended, or is another user's
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):  # closed since it was listed
                    if str(descriptor.readlink()) == wanted:
                        return pid
    return None


def members(leaders: tuple[int, ...]) -> Iterator[int]:
    """Every process of these sessions."""
    if not leaders:
        return
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and session_of(int(entry.name)) in leaders:
            yield int(entry.name)
