"""The log of one attempt: the part of a container's log between two of its deaths."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from crashloop.clock import NS_PER_S
from crashloop.engines.docker.instants import mono_ns
from crashloop.engines.output import LineReader
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from crashloop.engines.docker.daemon import Daemon

END_BOUND_S = 5.0
_DATE_LENGTH = len("2026-01-01")
_SECONDS_LENGTH = len("2026-01-01T00:00:00")


class AttemptLog:
    """Follows a container's log from `since_ns` until the container dies.

    Docker keeps one log for all lives of a container, each line with its instant, and ends a
    reader that follows when the container ends. Lines up to `since_ns`, the death before, are
    passed over. `on_line` is called in the loop with each line and its instant on the monotonic
    clock; `lines` counts them.
    """

    def __init__(
        self, daemon: Daemon, container: str, *, since_ns: int, on_line: Callable[[str, int], None]
    ) -> None:
        self.lines = 0
        self._daemon = daemon
        self._container = container
        self._since_ns = since_ns
        self._on_line = on_line
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self._broken = ""
        self._thread = threading.Thread(target=self._follow, daemon=True, name="docker logs")
        self._thread.start()

    async def ended(self) -> None:
        """Wait until every line has arrived; HarnessError where they do not, or not within 5 s."""
        why = f"it went on for {END_BOUND_S:g} s after the container's end"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_BOUND_S):
                await self._over.wait()
            why = self._broken
        if why:
            raise HarnessError(
                f"Docker did not give the log of {self._container[:12]} to its end: {why}",
                hint="nothing of this run counts; see whether the daemon is well: docker info",
            )

    def _follow(self) -> None:
        since = {"since": self._since_ns / NS_PER_S} if self._since_ns else {}
        try:
            frames = self._daemon.api.logs(
                self._container, stream=True, follow=True, timestamps=True, **since
            )
            for instant_ns, line in lines_of(frames):
                if instant_ns > self._since_ns or not instant_ns:
                    at_ns = mono_ns(instant_ns) if instant_ns else time.monotonic_ns()
                    self._call(self._take, line, at_ns)
        except Exception as error:  # noqa: BLE001  whatever the SDK raises of a broken stream
            self._broken = f"{type(error).__name__}: {error}"
        self._call(self._over.set)

    def _take(self, line: str, at_ns: int) -> None:
        self.lines += 1
        self._on_line(line, at_ns)

    def _call(self, what: Callable[..., object], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(what, *arguments)


def lines_of(frames: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """Read the lines of a log with timestamps, each with the instant of its beginning in ns.

    Docker cuts a line of more than 16 KiB into frames, and each frame has a timestamp of its own.
    A longer line than LineReader keeps is cut there.
    """
    reader = LineReader()
    begun_ns, is_inside = 0, False
    for frame in frames:
        stamp, _, content = frame.partition(b" ")
        if not is_inside:
            begun_ns = nanoseconds(stamp.decode("ascii", errors="replace"))
        for line in reader.feed(content):
            yield begun_ns, line
        is_inside = not content.endswith(b"\n")
    for line in reader.end():
        yield begun_ns, line


def nanoseconds(stamp: str) -> int:
    """An RFC 3339 instant with up to nine digits of a second, in ns since 1970; 0 for rubbish."""
    if stamp[_DATE_LENGTH : _DATE_LENGTH + 1] != "T":
        return 0
    try:
        seconds = datetime.fromisoformat(stamp[:_SECONDS_LENGTH]).replace(tzinfo=UTC).timestamp()
        fraction = stamp[_SECONDS_LENGTH + 1 :].rstrip("Z")
        return int(seconds) * NS_PER_S + int((fraction + "0" * 9)[:9] or 0)
    except ValueError:
        return 0
