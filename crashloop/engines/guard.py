"""The harness's side of the reaper: registers what must be removed if the harness is killed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING, Self

from crashloop.engines import reaper
from crashloop.engines.account import clean_environment
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    import signal
    from pathlib import Path

REAPER_BOUND_S = 12.0


class Reaper:
    """The harness's end of the watcher that cleans up if the harness is killed.

    A context manager. The watcher also ends and removes what is still registered on leaving.
    """

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self._open: set[str] = set()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603  our own file and interpreter
            [sys.executable, "-I", "-S", reaper.__file__, self.mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",
            env=clean_environment(None),
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            if not self._open:
                self._process.stdin.write(b"done\n")
        self._process.stdin.close()
        try:
            self._process.wait(REAPER_BOUND_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        """The watcher's process id."""
        assert self._process is not None
        return self._process.pid

    def folder(self, path: Path) -> None:
        """Remove `path` if the harness is killed."""
        self._open.add(str(path))
        self._tell(f"folder {path}")

    def forget(self, path: Path) -> None:
        """The harness has removed `path`, or keeps it."""
        self._open.discard(str(path))
        self._tell(f"forget {path}")

    def process(self, pid: int, number: signal.Signals) -> None:
        """End `pid`, asking with signal `number`, if the harness is killed."""
        self._open.add(str(pid))
        self._tell(f"process {pid} {number.value}")

    def ended(self, pid: int) -> None:
        """The process `pid` has ended, and the system may reuse its id."""
        self._open.discard(str(pid))
        with contextlib.suppress(HarnessError):
            self._tell(f"ended {pid}")

    def _tell(self, line: str) -> None:
        assert self._process is not None, "used outside its context"
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
        except BrokenPipeError as error:
            raise HarnessError(
                f"the watcher that cleans up after a kill (pid {self._process.pid}) has ended, "
                f"noticed at {line!r}",
                hint="run again; if it happens again, see what ends processes on this machine",
            ) from error
