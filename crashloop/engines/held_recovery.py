"""A Postgres that was not shut down properly, held before it replays what it had written.

The process that replays reads a small file before it begins. With a FIFO in the place of that file
it waits there, whatever the speed of the machine, until it is stopped by SIGSTOP; the file is then
put back, and SIGCONT lets it read the file and go on.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from crashloop.engines import stopping
from crashloop.engines.postgres_log import parsed
from crashloop.engines.postgres_start import READY
from crashloop.engines.reaper import identity, send
from crashloop.engines.server import START_BOUND_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from crashloop.engines.process import Process

RECOVERING = "automatic recovery in progress"
READ_FIRST = "pg_logical/replorigin_checkpoint"
_PRIVATE = 0o600

WRITE = "set synchronous_commit = on; select pg_logical_emit_message(true, 'crashloop', 'written')"
"""Leaves something to replay, and flushes what others have written before; no table changes."""


@contextlib.contextmanager
def barred(data_dir: Path) -> Iterator[None]:
    """While entered, a recovery that begins waits before it replays anything."""
    file, owner = data_dir / READ_FIRST, data_dir.stat()
    kept = file.with_name(f"{file.name}.kept")
    file.rename(kept)
    try:
        os.mkfifo(file, _PRIVATE)
        os.chown(file, owner.st_uid, owner.st_gid)
        yield
    finally:
        kept.replace(file)


async def stop(process: Process) -> dict[int, str]:
    """Stop the recovery of a server that was just started while it was `barred`.

    Returns the identity of the stopped process by its id, once /proc says that it is stopped.
    Raises HarnessError if the server does not say within 20 s that it recovers.
    """
    line = await process.said(RECOVERING, deadline_s=START_BOUND_S)
    said = parsed(line)
    assert said is not None, "each line of a server's process has the prefix"
    pid = int(said["pid"])
    started = identity(pid)
    stopping.stop(pid)
    return {pid: started} if started else {}


async def go_on(process: Process, stopped: Mapping[int, str]) -> None:
    """Continue the recovery, and wait until the server accepts connections."""
    for pid, started in stopped.items():
        if identity(pid) == started:
            send(pid, signal.SIGCONT)
    await process.said(READY, deadline_s=START_BOUND_S)
