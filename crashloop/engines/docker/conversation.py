"""Questions to a program in a container, and one answer to each, as lines of JSON."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections import deque
from typing import TYPE_CHECKING, Any

from docker.utils.socket import frames_iter

from crashloop.engines.docker.daemon import sdk_errors
from crashloop.engines.docker.threads import follow
from crashloop.engines.output import LineReader
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

STDOUT = 1
TAIL_LINES = 12
CLOSE_BOUND_S = 2.0


class Conversation:
    """Talks to a program over the socket of its standard input and output.

    A line with an `answer` answers the oldest question; every other JSON line goes to `on_line`, in
    the run's loop. Other lines are kept for error messages.
    """

    def __init__(
        self, stream: Any, *, name: str, on_line: Callable[[Mapping[str, Any]], None] | None = None
    ) -> None:
        self.name = name
        self._socket = stream
        self._on_line = on_line
        self._reader = LineReader()
        self._questions: deque[asyncio.Future[Any]] = deque()
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._thread: threading.Thread | None = None
        self._ended = False
        self._closed = False

    def begin(self) -> None:
        """Read what the program writes, in the running loop."""
        self._thread = follow(
            self.name,
            lambda: frames_iter(self._socket, tty=False),
            on_item=self._take_frame,
            on_end=self._end,
        )

    async def ask(self, question: Mapping[str, Any], *, deadline_s: float) -> Any:
        """Return its answer; HarnessError when it ends or gives none within `deadline_s`.

        A program that is still starting reads the question when it is ready.
        """
        if self._ended:
            raise self._no_answer()
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        # The line is short enough for the socket's buffer, so questions are sent in this order.
        with sdk_errors(f"{self.name} could not be asked"):
            _real(self._socket).sendall((json.dumps(question) + "\n").encode())
        self._questions.append(answer)
        try:
            async with asyncio.timeout(deadline_s):
                return await answer
        except TimeoutError:
            raise HarnessError(
                f"{self.name} did not answer within {deadline_s:g} s; its last lines:\n"
                f"{self._last_lines()}",
                hint="run it again on a less busy machine",
            ) from None

    def close(self) -> None:
        """Close the socket, which ends the program; a second call does nothing."""
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

    def _take_frame(self, frame: tuple[int, bytes]) -> None:
        stream, data = frame
        if stream == STDOUT:
            for line in self._reader.feed(data):
                self._take(line)
        else:
            self._tail.extend(data.decode(errors="replace").splitlines())

    def _take(self, line: str) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            self._tail.append(line)
        elif "answer" not in message:
            if self._on_line is not None:
                self._on_line(message)
        elif self._questions:
            question = self._questions.popleft()
            if not question.done():
                question.set_result(message["answer"])

    def _end(self, why: str) -> None:
        del why  # its last lines say more than how the socket ended
        self._tail.extend(self._reader.end())
        self._ended = True
        while self._questions:
            question = self._questions.popleft()
            if not question.done():
                question.set_exception(self._no_answer())

    def _no_answer(self) -> HarnessError:
        return HarnessError(
            f"{self.name} ended without an answer; its last lines:\n{self._last_lines()}",
            hint="the lines above are its own words",
        )

    def _last_lines(self) -> str:
        return "\n".join(f"    {line}" for line in self._tail) or "    (none)"


def _real(reader: Any) -> Any:
    """The socket inside the SDK's reader; only that one can be written to."""
    return getattr(reader, "_sock", reader)
