"""The log of one life of a container: the part of its log between two of its deaths."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from crashloop.clock import NS_PER_S
from crashloop.engines.docker.instants import mono_ns
from crashloop.engines.docker.threads import follow
from crashloop.engines.output import LineReader
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from crashloop.engines.docker.daemon import Daemon

END_BOUND_S = 5.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ContainerLog:
    """Follows a container's log from `since_ns` until the container dies.

    Docker keeps one log for all lives of a container, with the instant of each line, and ends a
    reader that follows it when the container ends. Lines up to `since_ns`, the death before, are
    skipped. `on_line` is called in the loop with each line and its instant on the monotonic clock,
    `on_end` once after the last one; `lines` counts them.
    """

    def __init__(
        self,
        daemon: Daemon,
        container: str,
        *,
        since_ns: int,
        on_line: Callable[[str, int], None],
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.lines = 0
        self._daemon = daemon
        self._container = container
        self._since_ns = since_ns
        self._on_line = on_line
        self._on_end = on_end
        self._over = asyncio.Event()
        self._broken = ""
        follow("docker logs", self._follow, on_item=self._take, on_end=self._end)

    async def ended(self) -> None:
        """Wait until every line has arrived; HarnessError if they do not within 5 s."""
        why = f"it did not end within {END_BOUND_S:g} s of the container's end"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_BOUND_S):
                await self._over.wait()
            why = self._broken
        if why:
            raise HarnessError(
                f"Docker did not give the whole log of {self._container[:12]}: {why}",
                hint="this run is invalid; see whether the daemon is healthy: docker info",
            )

    def _follow(self) -> Iterator[tuple[str, int]]:
        since = {"since": self._since_ns / NS_PER_S} if self._since_ns else {}
        frames = self._daemon.api.logs(
            self._container, stream=True, follow=True, timestamps=True, **since
        )
        for instant_ns, line in lines_of(frames):
            if instant_ns > self._since_ns or not instant_ns:
                yield line, mono_ns(instant_ns) if instant_ns else time.monotonic_ns()

    def _take(self, line: tuple[str, int]) -> None:
        self.lines += 1
        self._on_line(*line)

    def _end(self, why: str) -> None:
        self._broken = why
        self._over.set()
        self._on_end()


def lines_of(frames: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """Read the lines of a log with timestamps, each with the instant of its beginning in ns.

    Docker cuts a line of more than 16 KiB into frames, and each frame has a timestamp of its own.
    A line that is longer than LineReader keeps is cut there.
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
    """Read an RFC 3339 instant in ns since 1970, to the microsecond; 0 for anything else."""
    try:
        return (datetime.fromisoformat(stamp) - _EPOCH) // timedelta(microseconds=1) * 1000
    except (ValueError, TypeError):  # TypeError: without a time zone
        return 0
