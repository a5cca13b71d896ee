"""The watcher that cleans up after a harness that was killed.

It runs as `python -I -S reaper.py MARK` in a session of its own, reads commands from its standard
input, and acts only when that pipe closes without `done`, as it does when the harness gets SIGKILL:

    folder PATH         remove this folder when all processes are gone
    process PID SIGNAL  ask this process with SIGNAL (a number) before using SIGKILL
    forget PATH         the folder was removed by the harness itself
    ended PID           the process has ended and was reaped
    done                the harness has tidied up: exit without doing anything

On Linux it also ends every process with `CRASHLOOP_RUN=MARK` in its environment
(spawned but not yet registered), the descendants of all of these, and Postgres
backends that work in a registered folder. A process is known by its id and start time together, so
an id that the system has reused is never signalled. Signals first, SIGKILL after
3 s, at most 10 s in all. Standard library only: it starts in about 20 ms and must not depend on
what is installed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

RUN_VARIABLE = "CRASHLOOP_RUN"
ATTEMPT_VARIABLE = "CRASHLOOP_ATTEMPT"
ESCALATE_AFTER_S = 3.0
GIVE_UP_AFTER_S = 10.0
SCAN_INTERVAL_S = 0.05
CLEAN_SCANS = 2

_PROC = Path("/proc")
_STATE, _PARENT, _STARTED = 0, 1, 19  # positions in /proc/PID/stat after the command's name
_STANDALONE = {b"--single", b"--boot", b"--check"}
_SHARED_MEMORY_LINE = 6  # of postmaster.pid, from 0: the segment's key and id


def _stat_fields(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on, or None when there is no such process."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def identity(pid: int) -> str | None:
    """When the process `pid` started, in the system's own words; None when it does not run.

    A zombie does not run. Two processes that had the same id one after the other differ here.
    """
    if _PROC.joinpath("self", "stat").exists():
        fields = _stat_fields(pid)
        return None if fields is None or fields[_STATE] in "ZX" else fields[_STARTED]
    import subprocess  # noqa: PLC0415  needed only if there is no /proc

    command = ["/bin/ps", "-o", "state=,lstart=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  fixed
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def _all_pids() -> Iterator[int]:
    with contextlib.suppress(OSError):
        yield from (int(name) for name in os.listdir(_PROC) if name.isdigit())  # noqa: PTH208  names only


def descendants(pids: Iterable[int]) -> set[int]:
    """The ids of all children, grandchildren and so on of `pids`; empty if there is no /proc."""
    parents: dict[int, list[int]] = {}
    for pid in _all_pids():
        if (fields := _stat_fields(pid)) is not None:
            parents.setdefault(int(fields[_PARENT]), []).append(pid)
    found: set[int] = set()
    queue = list(pids)
    while queue:
        children = [child for child in parents.get(queue.pop(), ()) if child not in found]
        found.update(children)
        queue.extend(children)
    return found


def _is_within(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(folder + "/") for folder in folders)


def postgres_backends(folders: Iterable[str]) -> set[int]:
    """The ids of all Postgres processes that work in one of `folders`.

    Backends overwrite their environment with their title, and have no parent of ours once their
    server was killed; their working directory still identifies them. Linux only.
    """
    folders = list(folders)
    found = set()
    for pid in _all_pids():
        with contextlib.suppress(OSError):
            folder = _PROC / str(pid)
            is_postgres = (folder / "comm").read_text(errors="replace").startswith("postgres")
            if is_postgres and _is_within(str((folder / "cwd").readlink()), folders):
                found.add(pid)
    return found


def marked(mark: str, folders: Iterable[str], *, variable: str = RUN_VARIABLE) -> set[int]:
    """The ids of all processes with the mark in this environment variable. Linux only.

    Where the environment may not be read (root without the right to trace another user's
    processes, as in a container), a command line that names one of `folders` counts instead.
    """
    wanted = f"{variable}={mark}".encode()
    names = [f"{folder}/".encode() for folder in folders]
    found = set()
    for pid in _all_pids():
        if pid == os.getpid():
            continue
        with contextlib.suppress(OSError):
            try:
                ours = wanted in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
            except PermissionError:
                command = (_PROC / str(pid) / "cmdline").read_bytes()
                ours = os.geteuid() == 0 and any(name in command for name in names)
            if ours:
                found.add(pid)
    return found


def send(pid: int, number: int) -> None:
    """Signal `pid`; a process that is gone, or not ours to signal, is ignored."""
    with contextlib.suppress(OSError):
        os.kill(pid, number)


def end_attempt(mark: str, *, within_s: float) -> set[int]:
    """End all processes with an attempt's mark, and their descendants. Linux only.

    Returns the ids of those that still run after `within_s` seconds.
    """
    until_s = time.monotonic() + within_s
    killed: dict[int, str] = {}
    while time.monotonic() < until_s:
        found = marked(mark, (), variable=ATTEMPT_VARIABLE)
        for pid in found | descendants(found):
            if started := identity(pid):
                killed[pid] = started
                send(pid, signal.SIGKILL)
        # A dying process loses its environment first, and closes its sockets later
        killed = {pid: started for pid, started in killed.items() if identity(pid) == started}
        if not found and not killed:
            break
    return set(killed)


def remove_shared_memory(data_dir: Path) -> bool:
    """Remove the SysV segment that a killed Postgres server left; True when there was one.

    A server that ends on its own removes its segment and `postmaster.pid`; after SIGKILL both stay,
    and the file names the segment. Call it only when all its processes have ended.
    """
    try:
        line = (data_dir / "postmaster.pid").read_text().splitlines()[_SHARED_MEMORY_LINE]
        key, segment = (int(number) for number in line.split())
    except (OSError, IndexError, ValueError):
        return False
    with contextlib.suppress(OSError):
        table = (_PROC / "sysvipc" / "shm").read_text().splitlines()[1:]
        rows = [[int(number) for number in row.split()[:2]] for row in table]
        if not any(row[0] % 2**32 == key % 2**32 and row[1] == segment for row in rows):
            return False
    import ctypes  # noqa: PLC0415  30 ms that only a killed server costs

    ipc_remove = 0
    return bool(ctypes.CDLL(None).shmctl(segment, ipc_remove, None) == 0)


class Registry:
    """The processes and folders that the harness registered, and those that were found."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.folders: set[str] = set()
        self.signals: dict[tuple[int, str], int] = {}
        self._known: set[tuple[int, str]] = set()

    def obey(self, line: str) -> bool:
        """Take one command; False when it was `done`. An unknown or torn line is ignored."""
        command, _, rest = line.rstrip("\n").partition(" ")
        if command == "folder" and rest.startswith("/"):
            self.folders.add(rest)
        elif command == "forget":
            self.folders.discard(rest)
        elif command == "process":
            pid, _, number = rest.partition(" ")
            if pid.isdigit() and number.isdigit() and (started := identity(int(pid))):
                self.signals[int(pid), started] = int(number)
        elif command == "ended":
            self.signals = {key: sig for key, sig in self.signals.items() if str(key[0]) != rest}
        return command != "done"

    def living(self) -> dict[tuple[int, str], int]:
        """Every running process of the run, with the signal that asks it to end."""
        marks = marked(self.mark, self.folders)
        alive = {key for key in self.signals.keys() | self._known if identity(key[0]) == key[1]}
        ours = marks | {pid for pid, _ in alive}
        asked = {pid: _polite(pid) for pid in marks}
        # A parent ends its children, and a backend follows its server. These are only woken at
        # first, asked to end once they are orphans, and killed if they still run.
        asked |= dict.fromkeys(postgres_backends(self.folders) - marks, signal.SIGCONT)
        asked |= dict.fromkeys(descendants(ours), signal.SIGCONT)
        found = {(pid, started): sig for pid, sig in asked.items() if (started := identity(pid))}
        self._known |= found.keys() | alive
        return (
            dict.fromkeys(alive, signal.SIGCONT)
            | found
            | {key: self.signals[key] for key in alive if key in self.signals}
        )


def _polite(pid: int) -> signal.Signals:
    """The signal that lets an unregistered process free its shared memory, or SIGTERM.

    SIGQUIT for a Postgres server. SIGCONT, which does nothing, for initdb and what it has started:
    they handle no signal, leave their memory when one ends them, and are done in a second.
    """
    with contextlib.suppress(OSError):
        name = (_PROC / str(pid) / "comm").read_text(errors="replace").strip()
        command = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
        if name == "initdb" or _STANDALONE.intersection(command):
            return signal.SIGCONT
        if name == "postgres":
            return signal.SIGQUIT
    return signal.SIGTERM


def sweep(registry: Registry) -> None:
    """End every process of the run, then remove its shared memory and its folders."""
    started_s = time.monotonic()
    asked: set[tuple[tuple[int, str], int]] = set()
    clean = 0
    while clean < CLEAN_SCANS and time.monotonic() - started_s < GIVE_UP_AFTER_S:
        living = registry.living()
        clean = 0 if living else clean + 1
        kill = time.monotonic() - started_s > ESCALATE_AFTER_S
        for key, number in living.items():
            if kill:
                send(key[0], signal.SIGKILL)
            elif (key, number) not in asked:
                asked.add((key, number))
                send(key[0], number)
                send(key[0], signal.SIGCONT)
        # These are not our children, and a scan for the unregistered has no event to wait for
        time.sleep(SCAN_INTERVAL_S)
    for folder in registry.folders:
        for pattern in ("*/postmaster.pid", "*/*/postmaster.pid"):
            for found in Path(folder).glob(pattern):
                remove_shared_memory(found.parent)
        _remove(Path(folder))


def _remove(folder: Path) -> None:
    """Remove a folder that is ours and no link; up to three times, as a dying process may write."""
    import shutil  # noqa: PLC0415  needed only after a kill

    for _ in range(3):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                return
            shutil.rmtree(folder, ignore_errors=True)


def main(mark: str, commands: BinaryIO) -> None:
    """Follow `commands` until `done`, or sweep when they end without it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    registry = Registry(mark)
    for line in iter(commands.readline, b""):
        if not registry.obey(line.decode(errors="replace")):
            return
    sweep(registry)


if __name__ == "__main__":
    main(sys.argv[1], sys.stdin.buffer)
