"""The folder of one run, which is removed with the run, even if the harness is killed."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.engines.account import unprivileged_account
from crashloop.engines.guard import Reaper
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.engines.account import Account

# A Unix socket's path must stay below 104 bytes (macOS; 108 on Linux), and what TMPDIR names is
# often longer than that, or closed to the unprivileged user that root's servers run as.
DISK = Path("/tmp")  # noqa: S108  unguessable name, made exclusively, 0700 or 0711
# 1300 files are copied and removed by each run: 0.08 s in memory always; on disk 0.06 to 1.0 s, as
# ext4 without a journal skips the inodes of the last minute's runs one by one.
MEMORY = Path("/dev/shm")  # noqa: S108  likewise
MEMORY_WANTED_BYTES = 512 * 1024 * 1024
MAX_SOCKET_PATH_BYTES = 103
_NAME_BYTES = 6
_PRIVATE = 0o700
_PASSABLE = 0o711  # as root: others may reach the parts that are theirs, and list nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """One run's folder, its unique `run_id`, its reaper, and the account of its servers.

    `account` is None unless the harness is root. The run id is the folder's name, which no two
    runs share.
    """

    path: Path
    run_id: str
    reaper: Reaper
    account: Account | None

    def part(self, name: str, *, account: Account | None = None) -> Path:
        """Make the folder `name` in the workspace, open to `account` (default: us) alone.

        Raises HarnessError when it exists or cannot be made.
        """
        folder = self.path / name
        try:
            folder.mkdir(mode=_PRIVATE)
            if account is not None:
                os.chown(folder, account.uid, account.gid)
        except OSError as error:
            raise _no_folder(folder, error) from error
        return folder


def short_parent() -> Path:
    """The parent of runs' folders: /dev/shm if it is writable with 512 MiB free, else /tmp."""
    with contextlib.suppress(OSError):
        roomy = shutil.disk_usage(MEMORY).free >= MEMORY_WANTED_BYTES
        if roomy and os.access(MEMORY, os.W_OK | os.X_OK):
            return MEMORY
    return DISK


@contextlib.contextmanager
def workspace(*, parent: Path | None = None) -> Iterator[Workspace]:
    """Make one run's folder `cl-XXXXXXXX` and its reaper; both are gone on leaving.

    Its parent is `parent`, by default `short_parent()`: TMPDIR is ignored, as the paths of sockets
    must stay short. Raises HarnessError when the folder cannot be made or removed (no permission,
    disk full).
    """
    account = unprivileged_account()
    run_id = f"cl-{secrets.token_urlsafe(_NAME_BYTES)}"
    folder = (parent or short_parent()) / run_id
    with Reaper(run_id) as reaper:
        reaper.folder(folder)  # before it exists: a kill in between must not leave it
        try:
            folder.mkdir(mode=_PRIVATE)
            folder.chmod(_PASSABLE if account is not None else _PRIVATE)
        except OSError as error:
            reaper.forget(folder)
            raise _no_folder(folder, error) from error
        try:
            yield Workspace(path=folder, run_id=run_id, reaper=reaper, account=account)
        finally:
            _remove(folder)
            reaper.forget(folder)


def _remove(folder: Path) -> None:
    """Remove the folder; twice, as a process that is ending may add a file."""
    for _ in range(2):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
    raise HarnessError(
        f"the run's folder {folder} could not be removed",
        hint=f"remove it yourself: rm -rf {folder}",
    )


def _no_folder(folder: Path, error: OSError) -> HarnessError:
    return HarnessError(
        f"the run's folder {folder} cannot be made: {error.strerror}",
        hint=f"{folder.parent} must be writable with about 100 MB free: df -h {folder.parent}",
    )
