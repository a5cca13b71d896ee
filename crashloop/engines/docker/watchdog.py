"""What removes a run's containers when the harness was killed.

Run as `python -P -m crashloop.engines.docker.watchdog RUN_ID` in a session of its own. It waits on
its standard input, and acts when that closes without `done`, as it does when the harness gets
SIGKILL: everything under the run's label is removed, until the daemon shows nothing twice. It knows
no Docker SDK until then, so that it starts fast and costs nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import Self

GIVE_UP_AFTER_S = 14.0
LOOK_EVERY_S = 0.3
CLEAN_LOOKS = 2
DONE_BOUND_S = 2.0


class Watchdog:
    """The harness's end of it; a context manager."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        path = os.pathsep.join(part for part in sys.path if part)
        self._process = subprocess.Popen(  # noqa: S603  our own module and interpreter
            [sys.executable, "-P", "-m", __name__, self._run_id],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Part from it: `done` where the run has tidied up by itself."""
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            if kind is None:
                self._process.stdin.write(b"done\n")
        self._process.stdin.close()
        if kind is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(DONE_BOUND_S)


def sweep(run_id: str) -> None:
    """Remove everything of the run until nothing comes up any more."""
    import docker  # noqa: PLC0415  an extra, and only needed after a kill

    from crashloop.engines.docker.project import RUN_LABEL, remove_labelled  # noqa: PLC0415

    client = docker.from_env(timeout=10)
    until_s = time.monotonic() + GIVE_UP_AFTER_S
    clean = 0
    while clean < CLEAN_LOOKS and time.monotonic() < until_s:
        removed = True
        with contextlib.suppress(Exception):  # a container that is being made cannot be removed yet
            removed = bool(remove_labelled(client, f"{RUN_LABEL}={run_id}"))
        clean = 0 if removed else clean + 1
        # What the harness had asked for may still be on its way, and nothing tells of its end.
        time.sleep(LOOK_EVERY_S)


def main() -> None:
    """Wait for the harness to go, and tidy up where it did not."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    if b"done" not in sys.stdin.buffer.read():
        sweep(sys.argv[1])


if __name__ == "__main__":
    main()
