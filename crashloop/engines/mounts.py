"""A mount namespace for each life: other files at some paths, for this life and nobody else.

The namespace, and what is mounted in it, ends with the last process of the life.
"""

from __future__ import annotations

import functools
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from crashloop.errors import CapabilityError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

TRY_BOUND_S = 10.0
FAILED = 125
"""The exit code of a life whose mounts failed, as env and timeout have it for their own failure."""

_SAYS = 9  # the highest descriptor that every shell knows
_OF_ROOT = ("--mount",)
# Whoever makes a user namespace may mount in it, and keeps the user's own number.
_OF_A_USER = ("--user", "--map-current-user", "--keep-caps", "--mount")
# Not of /: a user may not bind a folder without the mounts below it.
_TRIED = (
    "mount -t tmpfs tmpfs /tmp && mount --bind /bin/sh /bin/sh && mount -o remount,bind,ro /tmp"
)


def in_namespace(steps: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The words before a command that run it in a mount namespace, after these commands.

    The words `began` come before them.

    Raises CapabilityError as `require_namespace` does.
    """
    return _after(shlex.join(step) for step in steps)


def bound(files: Mapping[Path, Path]) -> list[list[str]]:
    """The commands that mount files or folders over those at other paths: `{over: what}`."""
    return [[_mount(), "--bind", str(what), str(over)] for over, what in files.items()]


def with_read_only(folder: str) -> tuple[str, ...]:
    """The words before a command for which a folder, relative to its own, is read-only.

    The words `began` come before them.

    Raises CapabilityError as `require_namespace` does.
    """
    return _after(
        (
            f"folder=$(cd {shlex.quote(folder)} && pwd -P)",
            f'{_mount()} --rbind "$folder" "$folder"',
            f'{_mount()} -o remount,bind,ro "$folder"',
            'cd "$(pwd -P)"',  # what is mounted over a working folder is seen by whoever enters it
        )
    )


def began(file: Path) -> tuple[str, ...]:
    """The words before those of this module by which `has_begun` knows how far they have come.

    A life that has ended was the app, or one of these commands that failed: the exit code alone
    does not tell.
    """
    return ("/bin/sh", "-c", f'exec {_SAYS}>"$0" && exec "$@"', str(file))


def has_begun(file: Path) -> bool:
    """Whether the mounts were made, and the app's own command came next."""
    return file.is_file() and file.stat().st_size > 0


def _after(steps: Iterable[str]) -> tuple[str, ...]:
    script = "".join(f"{step} || exit {FAILED}\n" for step in steps)
    # Opened before, the file can be written to even if the folder that it is in is now read-only.
    become = f'unset PWD OLDPWD\necho >&{_SAYS}\nexec "$@" {_SAYS}>&-'
    return (*_unshare(), "/bin/sh", "-c", f"{script}{become}", "sh")


def require_namespace(fault: str) -> None:
    """Raise CapabilityError if a life cannot be given a mount namespace here, with the reason."""
    try:
        _unshare()
    except CapabilityError as error:
        raise CapabilityError(f"the fault {fault} {error.message}", hint=error.hint) from error


def _mount() -> str:
    return shutil.which("mount") or "mount"


@functools.cache
def _unshare() -> tuple[str, ...]:
    """The command that makes a namespace in which this user may mount."""
    needs = "needs a mount namespace of its own for the app"
    if sys.platform != "linux":
        raise CapabilityError(f"{needs}, and this is {sys.platform}", hint="run it on Linux")
    unshare = shutil.which("unshare")
    if unshare is None or shutil.which("mount") is None:
        raise CapabilityError(
            f"{needs}, and there is no unshare or no mount", hint="install util-linux"
        )
    said = ""
    for how in (_OF_ROOT, _OF_A_USER):
        command = (unshare, *how)
        tried = _try((*command, "/bin/sh", "-c", _TRIED))
        if tried is None:
            return command
        said = tried
    raise CapabilityError(
        f"{needs}, and this user may not make one: {said}",
        hint="allow user namespaces (sysctl user.max_user_namespaces, and on Ubuntu "
        "kernel.apparmor_restrict_unprivileged_userns=0; in a container "
        "--security-opt seccomp=unconfined), or run it as root",
    )


def _try(command: Sequence[str]) -> str | None:
    """Why a command fails, in the first line that it says; None if it does not."""
    try:
        ended = subprocess.run(  # noqa: S603  our own command
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TRY_BOUND_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = ended.stderr.strip().splitlines()
    return None if ended.returncode == 0 else (said or [f"exit code {ended.returncode}"])[0]
