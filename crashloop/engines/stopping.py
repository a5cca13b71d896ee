"""Stop and continue the processes of a server, as /proc shows them."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.engines.reaper import descendants, identity, postgres_backends, send
from crashloop.errors import CapabilityError, HarnessError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

BOUND_S = 2.0
LOOK_EVERY_S = 0.001
STOPPED = "T"


def require_proc() -> None:
    """Raise CapabilityError where there is no /proc to show that a process is stopped."""
    if sys.platform != "linux":
        raise CapabilityError(
            f"the receipt of a stopped process is its state in /proc, and this is {sys.platform}",
            hint="run it on Linux, or use a fault of the path such as hold",
        )


def stop(pid: int) -> None:
    """Stop one process; /proc says so when this returns. HarnessError if it takes over 2 s."""
    _signal_until(lambda: [pid], signal.SIGSTOP, lambda state: state == STOPPED)


def stop_all(pid: int, folder: Path) -> dict[int, str]:
    """Stop a server and all that it has started; the identities of its processes by their ids.

    /proc says of each that it is stopped when this returns. HarnessError if that takes longer than
    2 s for one; all are continued then.
    """

    def processes() -> Iterable[int]:
        return {pid} | descendants([pid]) | postgres_backends([str(folder)])

    try:
        # The server first: a stopped one starts nothing that a later look would have to find.
        stop(pid)
        _signal_until(processes, signal.SIGSTOP, lambda state: state == STOPPED)
    except HarnessError:
        continue_all({each: started for each in processes() if (started := identity(each))})
        raise
    return {each: started for each in processes() if (started := identity(each))}


def continue_all(stopped: Mapping[int, str]) -> list[int]:
    """Continue these processes; the ids of those that are left, none of them stopped.

    HarnessError if one is still stopped after 2 s.
    """

    def processes() -> list[int]:
        return [each for each, started in stopped.items() if identity(each) == started]

    _signal_until(processes, signal.SIGCONT, lambda state: state != STOPPED)
    return sorted(processes())


def _signal_until(
    processes: Callable[[], Iterable[int]], number: signal.Signals, reached: Callable[[str], bool]
) -> None:
    """Signal all processes until /proc shows that each has reached a state."""
    until_s = time.monotonic() + BOUND_S
    while True:
        states = {each: _state(each) for each in processes()}
        left = [each for each, state in states.items() if state and not reached(state)]
        if not left:
            return
        if time.monotonic() > until_s:
            raise HarnessError(
                f"{number.name} did not reach the processes {left} within {BOUND_S:g} s",
                hint=f"see their state: ps -o pid,stat,wchan -p {','.join(map(str, left))}",
            )
        for each in left:
            send(each, number)
        time.sleep(LOOK_EVERY_S)  # the system announces no change of state to others


def _state(pid: int) -> str:
    """The state in /proc, one letter; empty if the process has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state = text[text.rindex(")") + 2 :][:1]
    return "" if state in "ZX" else state
