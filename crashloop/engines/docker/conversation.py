"""A program in a container that is spoken to in lines of JSON, one answer for each."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from crashloop.engines.docker.daemon import told
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STDOUT = 1
TAIL_LINES = 12
CLOSE_BOUND_S = 2.0
MAX_LINE_BYTES = 64 * 1024


class Conversation:
    """Asks and hears a program by the socket of its standard input and output.

    A line with an `answer` belongs to the oldest question; every other JSON line goes to `on_line`,
    in the run's loop. Anything else it says is kept for an error's message.
    """

    def __init__(
        self, stream: Any, *, name: str, on_line: Callable[[Mapping[str, Any]], None] | None = None
    ) -> None:
        self.name = name
        self._socket = stream
        self._on_line = on_line
        self._loop: asyncio.AbstractEventLoop
        self._questions: deque[asyncio.Future[Any]] = deque()
        self._words: deque[str] = deque(maxlen=TAIL_LINES)
        self._thread: threading.Thread | None = None
        self._ended = False
        self._closed = False

    def begin(self) -> None:
        """Listen from now on, in the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._read, daemon=True, name=self.name)
        self._thread.start()

    async def ask(self, question: Mapping[str, Any], *, deadline_s: float) -> Any:
        """Its answer; HarnessError when it gives none within `deadline_s`, or an error of its own.

        Questions may be asked before it has started: it reads them when it does.
        """
        if self._ended:
            raise self._gone()
        answer: asyncio.Future[Any] = self._loop.create_future()
        # A short line, so that the socket takes it at once: order of questions is that of answers.
        with told(f"{self.name} could not be asked"):
            _real(self._socket).sendall((json.dumps(question) + "\n").encode())
        self._questions.append(answer)
        try:
            async with asyncio.timeout(deadline_s):
                return await answer
        except TimeoutError:
            raise HarnessError(
                f"{self.name} did not answer within {deadline_s:g} s; it said:\n{self._tail()}",
                hint="run it again on a less busy machine",
            ) from None

    def close(self) -> None:
        """Hang up, which ends the program; calling it again does nothing."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):
            _real(self._socket).shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join(CLOSE_BOUND_S)
        for each in (self._socket, _real(self._socket)):
            with contextlib.suppress(OSError):
                each.close()

    def _read(self) -> None:
        from docker.utils.socket import frames_iter  # noqa: PLC0415  an extra

        rest = b""
        try:
            for stream, data in frames_iter(self._socket, tty=False):
                if stream != STDOUT:
                    self._words.extend(data.decode(errors="replace").splitlines())
                    continue
                *lines, rest = (rest + data).split(b"\n")
                rest = rest[-MAX_LINE_BYTES:]
                for line in lines:
                    self._call(self._hear, line)
        except (OSError, ValueError):
            pass  # hung up
        if rest:
            self._words.append(rest.decode(errors="replace"))
        self._call(self._end)

    def _call(self, what: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(what, *arguments)

    def _hear(self, line: bytes) -> None:
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            self._words.append(line.decode(errors="replace"))
            return
        if "answer" not in said:
            if self._on_line is not None:
                self._on_line(said)
            return
        if self._questions:
            question = self._questions.popleft()
            if not question.done():
                question.set_result(said["answer"])

    def _end(self) -> None:
        self._ended = True
        while self._questions:
            question = self._questions.popleft()
            if not question.done():
                question.set_exception(self._gone())

    def _gone(self) -> HarnessError:
        return HarnessError(
            f"{self.name} ended and gave no answer; it said:\n{self._tail()}",
            hint="the lines above are its own words",
        )

    def _tail(self) -> str:
        return "\n".join(f"    {line}" for line in self._words) or "    (nothing)"


def _real(reader: Any) -> Any:
    """The SDK gives a reader over the real socket; only that one can be written to."""
    return getattr(reader, "_sock", reader)
