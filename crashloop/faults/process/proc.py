"""What /proc says about a process."""

from __future__ import annotations

from pathlib import Path

from crashloop.errors import HarnessError


def variables_of(pid: int) -> frozenset[str]:
    """The names of the environment variables that a process was started with.

    Empty if it has ended. HarnessError if they may not be read.
    """
    try:
        text = Path(f"/proc/{pid}/environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return frozenset()
    except PermissionError as error:
        raise HarnessError(
            f"the environment of the app's process {pid} may not be read",
            hint="run crashloop as the user that the app runs as",
        ) from error
    return frozenset(
        each.partition(b"=")[0].decode(errors="replace") for each in text.split(b"\0") if each
    )
