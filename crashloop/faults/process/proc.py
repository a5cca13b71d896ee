"""What /proc says about a process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.errors import HarnessError

if TYPE_CHECKING:
    import signal


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


_POINT, _OPTIONS = 4, 5  # the fields of a line of mountinfo: proc_pid_mountinfo(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalState:
    """The signals of a process, each a bit of a mask as in /proc/PID/status."""

    caught: int
    ignored: int
    pending: int

    def handles(self, number: signal.Signals) -> bool:
        """Whether the process catches or ignores the signal."""
        return bool((self.caught | self.ignored) & _bit(number))

    def waits(self, number: signal.Signals) -> bool:
        """Whether the signal was sent and has not come yet."""
        return bool(self.pending & _bit(number))


def signal_state(pid: int) -> SignalState | None:
    """The signals of a process; None if it has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = dict(line.partition(":")[::2] for line in text.splitlines())
    if fields["State"].split()[0] in {"Z", "X"}:
        return None

    def mask(name: str) -> int:
        return int(fields[name], 16)

    pending = mask("SigPnd") | mask("ShdPnd")
    return SignalState(caught=mask("SigCgt"), ignored=mask("SigIgn"), pending=pending)


def _bit(number: signal.Signals) -> int:
    return 1 << (number - 1)


def read_only_mounts(pid: int) -> list[str]:
    """The mount points that are read-only for a process and not for this one, the newest last.

    Empty if it has ended.
    """
    return [each for each in _read_only(str(pid)) if each not in _read_only("self")]


def _read_only(process: str) -> list[str]:
    try:
        text = Path(f"/proc/{process}/mountinfo").read_text(errors="replace")
    except OSError:  # it has ended
        return []
    mounts = (line.split() for line in text.splitlines())
    return [each[_POINT] for each in mounts if "ro" in each[_OPTIONS].split(",")]


def workers_of(pid: int) -> list[int]:
    """The workers of a server: the children of its first process.

    Python's own tracker of shared resources, which comes with spawned workers, is none of them.
    """
    return sorted(int(each.name) for each in Path("/proc").iterdir() if _is_worker(each, pid))


def _is_worker(folder: Path, pid: int) -> bool:
    if not folder.name.isdecimal():
        return False
    try:
        is_child = f"\nPPid:\t{pid}\n" in (folder / "status").read_text(errors="replace")
        return is_child and b"resource_tracker" not in (folder / "cmdline").read_bytes()
    except OSError:  # it has ended
        return False
