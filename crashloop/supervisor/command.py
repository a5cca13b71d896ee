"""A probe's command as a process of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


async def run_command(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str]
) -> int:
    """Run `command` without a shell to its end; its exit status, or minus a signal's number.

    It reads and prints nothing, and has a process group of its own, which is killed if this is
    cancelled. Raises OSError if it cannot be started.
    """
    child = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return await child.wait()
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
