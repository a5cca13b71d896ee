"""Runs as child processes, each a `crashloop reproduce --json` of its own.

A child shares no loop, no signals and no servers with the others. It ends when its standard input
closes, so none outlives the check, not even one that was killed. It appends nothing to the summary
of a job, to which the check appends what all of them showed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crashloop.child import MAX_LINE, end, lines
from crashloop.report.job_summary import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COMMAND = (sys.executable, "-P", "-m", "crashloop")
MAX_ANSWER = 1 << 26
LINES_KEPT = 12
HARNESS_ERROR = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a child printed, as JSON, and how long it took in wall seconds."""

    document: dict[str, Any]
    took_s: float


async def ask(
    words: Sequence[str],
    *,
    bound_s: float,
    on_line: Callable[[str], None],
    command: Sequence[str] = COMMAND,
) -> Answer:
    """Run `crashloop` with these words to its end; `on_line` gets each line of its progress.

    Its answer is an error document where it printed none, or took longer than `bound_s` seconds.
    Cancelled, it ends the child first: SIGTERM, and SIGKILL after 6 s.
    """
    began_s = time.monotonic()
    child = await asyncio.create_subprocess_exec(
        *command,
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=MAX_LINE,
        env={name: value for name, value in os.environ.items() if name != VARIABLE},
        start_new_session=True,  # Ctrl-C is for the check, which tells its children
    )
    said: deque[str] = deque(maxlen=LINES_KEPT)
    try:
        async with asyncio.timeout(bound_s) as bound, asyncio.TaskGroup() as group:
            printed = group.create_task(_all_of(child))
            group.create_task(_lines_of(child, said, on_line))
    except TimeoutError:
        if not bound.expired():
            raise
        document = _error(f"it did not end within {bound_s:.0f} s", said, HARNESS_ERROR)
    else:
        document = _document(printed.result(), said, await child.wait())
    finally:
        await end(child)
    return Answer(document=document, took_s=time.monotonic() - began_s)


async def _all_of(child: asyncio.subprocess.Process) -> bytes:
    """All that it prints, up to a bound."""
    assert child.stdout is not None
    parts, size = [], 0
    while part := await child.stdout.read(MAX_LINE):
        size += len(part)
        if size <= MAX_ANSWER:
            parts.append(part)
    return b"".join(parts)


async def _lines_of(
    child: asyncio.subprocess.Process, said: deque[str], on_line: Callable[[str], None]
) -> None:
    assert child.stderr is not None
    async for line in lines(child.stderr):
        said.append(line)
        on_line(line)


def _document(printed: bytes, said: deque[str], status: int) -> dict[str, Any]:
    try:
        found = json.loads(printed)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return {"exit_status": status} | found
    return _error(f"it ended with status {status} and printed no result", said, status)


def _error(message: str, said: deque[str], status: int) -> dict[str, Any]:
    last = f": {said[-1]}" if said else ""
    return {"error": f"{message}{last}", "last_lines": [*said], "exit_status": status}
