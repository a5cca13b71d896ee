"""The folder that a command with many runs writes its evidence into."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from typing import TYPE_CHECKING

from crashloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def require_folder(folder: Path) -> None:
    """Try whether evidence can be written to a folder, which may be missing."""
    try:
        there = next(each for each in (folder, *folder.parents) if each.exists())
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise _no_evidence(folder, error) from None


@contextlib.contextmanager
def claimed(folder: Path | None, *, noun: str) -> Iterator[None]:
    """Keep others out of --artifacts; UsageError if another `noun` is writing there.

    None: the folder has a new name, which nobody else knows.
    """
    if folder is None:
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _no_evidence(folder, error) from None
    try:
        _lock(opened, folder, noun)
        yield
    finally:
        os.close(opened)


def _lock(opened: int, folder: Path, noun: str) -> None:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(
            f"another {noun} is writing into --artifacts {folder}",
            hint="name another folder, or wait until it has ended and give --resume",
        ) from None


def _no_evidence(folder: Path, error: OSError) -> UsageError:
    return UsageError(
        f"no evidence can be written into {folder}: {error.strerror}",
        hint="name a folder that you may write to: --artifacts DIR",
    )
