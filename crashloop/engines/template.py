"""The database cluster that each run starts from: made once, then copied."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.engines.binaries import PostgresBinaries, usable_binaries
from crashloop.engines.process import run
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.engines.account import Account
    from crashloop.engines.process import Process
    from crashloop.engines.workspace import Workspace

FORMAT = 1  # to be raised with every change of what is made here
DATABASE = "app"
ROLE = "app"
SUPERUSER = "postgres"

LOCK_BOUND_S = 60.0
LOCK_INTERVAL_S = 0.02
BOUND_S = 60.0
# initdb's servers leave their shared memory when a signal ends them, and are done in a second
LET_IT_END = signal.SIGCONT

_ROOT_CACHE = Path("/var/cache/crashloop")
_SHARED_TEMPORARY = Path("/var/tmp")  # noqa: S108  ownership is verified
_PASSABLE = 0o711
_PRIVATE = 0o700
_WRITABLE_BY_OTHERS = 0o022


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A cluster that is only copied, the binaries that made it and can run it, and its passwords.

    It has a superuser `postgres`, a role `app` (LOGIN, nothing more) and a database `app` that the
    role owns; UTF8, locale C, scram-sha-256 everywhere.
    """

    data_dir: Path
    binaries: PostgresBinaries
    app_password: str = field(repr=False)
    superuser_password: str = field(repr=False)


def cache_folder(account: Account | None, explicit: Path | None = None) -> Path:
    """The folder for what outlives a run, made if missing; `explicit` overrides the choice.

    XDG_CACHE_HOME/crashloop or ~/.cache/crashloop, where that cannot be made
    /var/tmp/crashloop-UID. For root /var/cache/crashloop, passable (0711), since its servers run as
    `account`. Raises HarnessError when another user owns it or may write to it.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    first = _ROOT_CACHE if account is not None else home / "crashloop"
    choices = [explicit] if explicit else [first, _SHARED_TEMPORARY / f"crashloop-{os.geteuid()}"]
    refusals = []
    for folder in choices:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
            status = folder.lstat()
            _verify_owner(folder, status)
            if account is not None and stat.S_IMODE(status.st_mode) & _PASSABLE != _PASSABLE:
                folder.chmod(_PASSABLE)
            if os.access(folder, os.W_OK | os.X_OK):
                return folder
            refusals.append(f"{folder}: not writable")
        except OSError as error:
            refusals.append(f"{folder}: {error.strerror}")
    raise HarnessError(
        f"no folder for the database template: {'; '.join(refusals)}",
        hint="set XDG_CACHE_HOME to a folder of yours with 100 MB free",
    )


def _verify_owner(folder: Path, status: os.stat_result) -> None:
    if not stat.S_ISDIR(status.st_mode):
        what = "is not a folder (a link is not followed)"
    elif status.st_uid != os.geteuid():
        what = f"belongs to user id {status.st_uid}, not to {os.geteuid()}"
    elif status.st_mode & _WRITABLE_BY_OTHERS:
        what = "may be written by other users"
    else:
        return
    raise HarnessError(
        f"the cache folder {folder} {what}, so what it holds cannot be trusted",
        hint=f"see what it is (ls -ld {folder}), then remove it, or set XDG_CACHE_HOME",
    )


async def template(
    workspace: Workspace, binaries: PostgresBinaries, *, cache_dir: Path | None = None
) -> Template:
    """The template for these binaries, made first if there is none (about 0.5 s).

    Runs that need it at once wait for the one that makes it. It appears complete or not at all: a
    kill in the middle leaves nothing that a later run would use. Raises HarnessError when the cache
    cannot be used, Postgres does not make a cluster, or the lock stays taken for 60 s.
    """
    account = workspace.account
    cache = await asyncio.to_thread(cache_folder, account, cache_dir)
    owner = account.name if account else str(os.geteuid())
    final = cache / f"template-{binaries.version}-f{FORMAT}-{owner}"
    async with _locked(cache / ".lock"):
        usable = await asyncio.to_thread(usable_binaries, binaries, account, cache)
        if not final.exists():
            await _make(workspace, usable, final)
    try:
        passwords = json.loads((final / "passwords.json").read_text())
        return Template(
            data_dir=final / "data",
            binaries=usable,
            app_password=passwords[ROLE],
            superuser_password=passwords[SUPERUSER],
        )
    except (OSError, ValueError, KeyError) as error:
        raise HarnessError(
            f"the database template {final} is damaged: {error}",
            hint=f"remove it, the next run makes a new one: rm -rf {final}",
        ) from error


@contextlib.asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[None]:
    """Hold the cache's lock; the system releases it even when we are killed."""
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    try:
        deadline_s = time.monotonic() + LOCK_BOUND_S
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.monotonic() > deadline_s:
                raise HarnessError(
                    f"another run has held the lock {path} for {LOCK_BOUND_S:g} s",
                    hint=f"see who holds it: fuser -v {path}",
                )
            await asyncio.sleep(LOCK_INTERVAL_S)  # a file lock gives an event loop no event
        yield
    finally:
        os.close(handle)


async def _make(workspace: Workspace, binaries: PostgresBinaries, final: Path) -> None:
    for left in final.parent.glob(".making-*"):  # by a killed run; the lock is ours
        shutil.rmtree(left, ignore_errors=True)
    # The run's own name: a killed run's reaper may be removing its folder at the same time.
    making = final.with_name(f".making-{workspace.run_id}-{final.name}")
    account = workspace.account
    workspace.reaper.folder(making)
    try:
        making.mkdir(mode=_PRIVATE)
        making.chmod(_PRIVATE if account is None else _PASSABLE)
        data = making / "data"
        data.mkdir(mode=_PRIVATE)
        if account is not None:
            os.chown(data, account.uid, account.gid)
        passwords = {name: secrets.token_urlsafe(24) for name in (ROLE, SUPERUSER)}
        secret = _write_private(making / "superuser", passwords[SUPERUSER], account)
        _write_private(making / "passwords.json", json.dumps(passwords), None)
        await _initialise(workspace, binaries, data, secret)
        await _fill(workspace, binaries, data, passwords[ROLE])
        secret.unlink()
        making.rename(final)
    except OSError as error:
        raise HarnessError(
            f"the database template cannot be made in {making}: {error.strerror}",
            hint=f"{final.parent} must be writable with 100 MB free: df -h {final.parent}",
        ) from error
    finally:
        await asyncio.to_thread(shutil.rmtree, making, ignore_errors=True)
        workspace.reaper.forget(making)


def _write_private(path: Path, text: str, account: Account | None) -> Path:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    if account is not None:
        os.chown(path, account.uid, account.gid)
    return path


async def _initialise(
    workspace: Workspace, binaries: PostgresBinaries, data: Path, secret: Path
) -> None:
    arguments: list[str | Path] = ["-D", data, "--no-sync", "--wal-segsize=1"]
    arguments += ["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"]
    arguments += [f"--username={SUPERUSER}", f"--pwfile={secret}"]
    await _run(workspace, "initdb", [binaries.bin_dir / "initdb", *arguments])


async def _fill(
    workspace: Workspace, binaries: PostgresBinaries, data: Path, password: str
) -> None:
    """Make the role and its database in single-user mode: no server, no port, no race."""
    statements = (
        f"CREATE ROLE {ROLE} LOGIN PASSWORD '{password}'\nCREATE DATABASE {DATABASE} OWNER {ROLE}\n"
    )
    arguments: list[str | Path] = ["--single", "-F", "-D", data]
    for setting in ("max_wal_size=2MB", "min_wal_size=2MB", "exit_on_error=on"):
        arguments += ["-c", setting]
    command = [binaries.bin_dir / "postgres", *arguments, SUPERUSER]
    process = await _run(workspace, "postgres --single", command, stdin=statements.encode())
    if "ERROR" in process.tail():
        raise HarnessError(
            f"the template's role and database were refused:\n{process.tail()}",
            hint="use another Postgres with --postgres-bin DIR",
        )


async def _run(
    workspace: Workspace, name: str, command: list[str | Path], *, stdin: bytes = b""
) -> Process:
    """Run a program of Postgres as the user that its servers run as."""
    return await run(
        command,
        workspace=workspace,
        name=name,
        account=workspace.account,
        environment={"LC_ALL": "C"},
        stdin=stdin,
        stop_signal=LET_IT_END,
        deadline_s=BOUND_S,
    )


async def copy_template(workspace: Workspace, source: Template, folder: Path) -> Path:
    """Copy the cluster into `folder`, which the server's account owns; 0.08 s for 33 MB in memory.

    Returns the data directory. Raises HarnessError when the disk is full or the template is gone.
    """
    target = folder / "data"
    command: list[str | Path] = ["cp", "-R", "-p", source.data_dir, target]
    await _run(workspace, "the copy of the database template", command)
    return target
