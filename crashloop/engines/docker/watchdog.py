"""Removes a run's containers when the harness was killed.

Run as `python -P -m crashloop.engines.docker.watchdog RUN_ID` in a session of its own. It waits for
the end of its standard input; if that ends without `done`, as it does when the harness gets
SIGKILL, it removes everything that carries the run's label, until the daemon lists nothing twice.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Self

GIVE_UP_AFTER_S = 120.0  # most runs are gone in 2 s; a busy daemon needs longer
LOOK_EVERY_S = 0.3
CLEAN_LOOKS = 2
DONE_BOUND_S = 2.0


class Watchdog:
    """Starts the watchdog of a run and, at the end of the block, says that the run is over."""

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
        """Send `done` if the run has removed everything itself; else leave it to the watchdog."""
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            if kind is None:
                self._process.stdin.write(b"done\n")
        self._process.stdin.close()
        if kind is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(DONE_BOUND_S)
        else:  # it may need longer than this process lives
            threading.Thread(target=self._process.wait, daemon=True, name="watchdog").start()


def remove_all(run_id: str) -> None:
    """Remove everything of the run until nothing appears any more."""
    import docker  # noqa: PLC0415  0.6 s of imports, only needed after a kill

    from crashloop.engines.docker.removal import RUN_LABEL, labelled, remove  # noqa: PLC0415

    client = docker.from_env(timeout=10)
    until_s = time.monotonic() + GIVE_UP_AFTER_S
    clean = 0
    while clean < CLEAN_LOOKS and time.monotonic() < until_s:
        is_clean = False
        with contextlib.suppress(Exception):  # a container that is being created: again later
            things = labelled(client, f"{RUN_LABEL}={run_id}")
            remove(client, things)
            is_clean = not things
        clean = clean + 1 if is_clean else 0
        # The harness's last requests may still be on their way, and no event says that they ended.
        time.sleep(LOOK_EVERY_S)


def main() -> None:
    """Wait for the end of the harness; remove what it could not."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    if b"done" not in sys.stdin.buffer.read():
        remove_all(sys.argv[1])


if __name__ == "__main__":
    main()
