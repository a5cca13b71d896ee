"""A child process of a run: a clean environment, its own session, always reaped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from crashloop.engines import reaper as watcher
from crashloop.engines.account import clean_environment
from crashloop.engines.advice import hint_for
from crashloop.engines.output import LineReader
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

    from crashloop.engines.account import Account
    from crashloop.engines.guard import Reaper
    from crashloop.engines.workspace import Workspace

T = TypeVar("T")
TAIL_LINES = 8
READ_BYTES = 64 * 1024
GRACE_S = 3.0
KILL_BOUND_S = 1.0
OUTPUT_BOUND_S = 0.5


class Process:
    """A started child: its id, its exit, and its output.

    `exited` is done with the return code (negative: the signal's number) as soon as the child has
    ended and was reaped. Standard output and error arrive together, line by line: written to `log`
    when one was given, the last 8 kept for `tail()`.
    """

    def __init__(
        self, popen: subprocess.Popen[bytes], *, name: str, reaper: Reaper, log: Path | None
    ) -> None:
        self.name = name
        self.pid = popen.pid
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[int] = loop.create_future()
        self._popen = popen
        self._reaper = reaper
        self._log = log.open("ab", buffering=0) if log else None
        self._lines: deque[str] = deque(maxlen=TAIL_LINES)
        self._reader = LineReader()
        self._listeners: list[Callable[[str], None]] = []
        self._closed = asyncio.Event()
        assert popen.stdout is not None
        os.set_blocking(popen.stdout.fileno(), False)
        loop.add_reader(popen.stdout.fileno(), self._read)
        # In a thread: a child watcher of asyncio's would depend on the loop's kind.
        threading.Thread(target=self._reap, args=(loop,), daemon=True).start()

    def _reap(self, loop: asyncio.AbstractEventLoop) -> None:
        code = self._popen.wait()
        with contextlib.suppress(RuntimeError):  # the loop was closed
            loop.call_soon_threadsafe(self._set_exited, code)

    def _set_exited(self, code: int) -> None:
        self._reaper.ended(self.pid)
        if not self.exited.done():
            self.exited.set_result(code)
        if self._popen.stdin is not None:
            self._popen.stdin.close()
        self._read()

    def _read(self) -> None:
        if self._closed.is_set():
            return
        assert self._popen.stdout is not None
        try:
            data = os.read(self._popen.stdout.fileno(), READ_BYTES)
        except BlockingIOError:
            return
        if self._log:
            with contextlib.suppress(OSError):  # a full disk must not stop the child's output
                self._log.write(data)
        self._say(self._reader.feed(data))
        if not data:
            self.close_output()

    def _say(self, lines: list[str]) -> None:
        for line in lines:
            self._lines.append(line)
            for listener in tuple(self._listeners):
                listener(line)

    def feed(self, data: bytes) -> None:
        """Write at most 64 KiB to its standard input and close it; `start` has kept it open."""
        assert self._popen.stdin is not None
        with contextlib.suppress(BrokenPipeError, ValueError):  # it has ended
            self._popen.stdin.write(data)
        self._popen.stdin.close()

    def close_output(self) -> None:
        """Stop following the output; what is written later is lost."""
        if self._closed.is_set():
            return
        assert self._popen.stdout is not None
        self.exited.get_loop().remove_reader(self._popen.stdout.fileno())
        self._popen.stdout.close()
        if self._log:
            self._log.close()
        self._closed.set()
        self._say(self._reader.end())

    def tail(self) -> str:
        """The child's last lines, indented for an error message."""
        return "\n".join(f"    {line}" for line in self._lines) or "    (it printed nothing)"

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call `listener` in the loop with each line that arrives from now on."""
        self._listeners.append(listener)

    async def said(self, text: str, *, deadline_s: float) -> str:
        """Wait for the first line from now on that contains `text`.

        Raises HarnessError with its last lines when the child ends or `deadline_s` seconds pass
        before.
        """
        heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def listener(line: str) -> None:
            if text in line and not heard.done():
                heard.set_result(line)

        self._listeners.append(listener)
        try:
            waited: set[asyncio.Future[Any]] = {heard, self.exited}
            await asyncio.wait(waited, timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED)
            if not heard.done() and self.exited.done():
                await self.drained()
        finally:
            self._listeners.remove(listener)
        if heard.done():
            return heard.result()
        how = describe_exit(self.exited.result()) if self.exited.done() else "still runs"
        raise HarnessError(
            f"{self.name} (pid {self.pid}) did not print {text!r} within {deadline_s:g} s: "
            f"it {how}; its last lines:\n{self.tail()}",
            hint="the lines above say why; its whole output is among the run's artifacts",
        )

    async def drained(self) -> None:
        """Wait until all output has arrived; at most 0.5 s, as a grandchild may hold the pipe."""
        # In Python 3.11, wait_for loses a cancellation that comes as the wait ends.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OUTPUT_BOUND_S):
                await self._closed.wait()

    def signal(self, number: signal.Signals) -> bool:
        """Signal the child itself; False if it has ended."""
        if self.exited.done() or watcher.identity(self.pid) is None:
            return False
        watcher.send(self.pid, number)
        return True


def start(
    command: Sequence[str | Path],
    *,
    workspace: Workspace,
    name: str,
    environment: Mapping[str, str] | None = None,
    inherited: Mapping[str, str] | None = None,
    account: Account | None = None,
    folder: Path | None = None,
    log: Path | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
    stdin: bytes | None = b"",
) -> Process:
    """Start `command` as a child of this run; needs a running loop, does not wait.

    It gets its own session, the variables of `clean_environment`, the user `account` (the harness's
    own when None), `folder` as working directory (default: the workspace), at most 64 KiB as
    `stdin` (None: `feed` gives it later), and is registered with the reaper under `stop_signal`.
    Raises HarnessError when it cannot be started.
    """
    try:
        popen = subprocess.Popen(  # noqa: S603  the caller's own command, no shell
            [str(part) for part in command],
            stdin=subprocess.DEVNULL if stdin == b"" else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder or workspace.path,
            env=clean_environment(workspace.run_id, environment, inherited),
            start_new_session=True,
            bufsize=0,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except OSError as error:
        whose = f" (as user {account.name})" if account else ""
        raise HarnessError(
            f"{name} could not be started: {error.filename or command[0]}: {error.strerror}{whose}",
            hint="check that the file exists and that this user may execute it",
        ) from error
    try:
        workspace.reaper.process(popen.pid, stop_signal)
        process = Process(popen, name=name, reaper=workspace.reaper, log=log)
    except BaseException:
        popen.kill()
        popen.wait()
        raise
    if stdin:
        process.feed(stdin)
    return process


async def run(
    command: Sequence[str | Path],
    *,
    deadline_s: float,
    stop_signal: signal.Signals = signal.SIGTERM,
    **options: Any,
) -> Process:
    """Run a child to its end, with the options of `start`; its status was 0 when this returns.

    When it has to end early it gets `stop_signal` and 3 s, then SIGKILL. It has ended in each case,
    cancellation included. Raises HarnessError with its last lines when its status is another or
    `deadline_s` passes.
    """
    process = start(command, stop_signal=stop_signal, **options)
    try:
        await asyncio.wait({process.exited}, timeout=deadline_s)
        late = not process.exited.done()
    finally:
        code = await finish(terminate(process, (stop_signal, GRACE_S)))
    if late or code != 0:
        how = f"took longer than {deadline_s:g} s" if late else describe_exit(code)
        raise HarnessError(
            f"{process.name} {how}; its last lines:\n{process.tail()}",
            hint=hint_for(process.tail()),
        )
    return process


async def terminate(process: Process, *steps: tuple[signal.Signals, float]) -> int:
    """End `process`: each step sends a signal and waits that many seconds, then comes SIGKILL.

    SIGKILL goes to its descendants too; a stopped process is woken so that it can obey. Returns
    the return code. Raises HarnessError when even SIGKILL has not ended it after 1 s.
    """
    for number, bound_s in steps:
        if process.exited.done():
            break
        process.signal(number)
        for pid in (process.pid, *watcher.descendants([process.pid])):
            watcher.send(pid, signal.SIGCONT)
        await asyncio.wait({process.exited}, timeout=bound_s)
    if not process.exited.done():
        for pid in (process.pid, *watcher.descendants([process.pid])):
            watcher.send(pid, signal.SIGKILL)
        await asyncio.wait({process.exited}, timeout=KILL_BOUND_S)
    if not process.exited.done():
        raise HarnessError(
            f"{process.name} (pid {process.pid}) has not ended {KILL_BOUND_S:g} s after SIGKILL",
            hint=f"see what holds it in the kernel: cat /proc/{process.pid}/stack",
        )
    await process.drained()
    process.close_output()
    return process.exited.result()


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` to its end even if cancelled meanwhile, then raise the cancellation.

    For teardown: `work` must have a bound of its own.
    """
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    result = task.result()
    if cancelled:
        raise asyncio.CancelledError
    return result


def describe_exit(code: int) -> str:
    """A return code in words: "exited with 1", "was ended by SIGKILL"."""
    if code >= 0:
        return f"exited with {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
