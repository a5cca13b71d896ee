"""The app's output: what its lines say becomes events, and every line is kept as it is."""

from __future__ import annotations

import asyncio
import codecs
import re
import time
from collections import deque
from typing import IO, TYPE_CHECKING

from crashloop.clock import NS_PER_S
from crashloop.logs import LogReader

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from crashloop.logs import LogEvent
    from crashloop.model import Life
    from crashloop.trace.recorder import Recorder

MAX_LINE_CHARS = 60 * 1024
CUT_CHARS = 8 * 1024  # chosen: more than a secret has, so that one at the reader's cut is dropped
MAX_READ_CHARS = MAX_LINE_CHARS + CUT_CHARS
MAX_LINES = 20_000
MAX_BURSTS = 200
BURST_S = 0.02  # the longest time between two lines of one traceback
MAX_TEXT_CHARS = 2000
QUIET_S = 0.2  # chosen: no process pauses so long in the middle of printing an error
LAST_LINES = 40
MAX_LAST_CHARS = 500
MAX_MATCHED_CHARS = 4000  # the pattern is the user's own, and may be slow on a long line


class LineReader:
    """Splits a stream of UTF-8 bytes into lines, in bounded memory.

    A line of more than MAX_READ_CHARS is cut to MAX_READ_CHARS + 1 characters, so that a reader can
    see that it was cut.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""

    def feed(self, data: bytes) -> list[str]:
        """Take the stream's next bytes; returns the lines that end in them, without line ends."""
        lines = (self._rest + self._decoder.decode(data)).split("\n")
        *whole, self._rest = [line[: MAX_READ_CHARS + 1] for line in lines]
        return [line.removesuffix("\r") for line in whole]

    def end(self) -> list[str]:
        """The last line, if the stream ended without a line end."""
        rest = self._rest + self._decoder.decode(b"", final=True)
        self._rest = ""
        return [rest] if rest else []


class AppOutput:
    """Reads the lines of one life: redacts them, keeps them in a file, makes events of them.

    What `crashloop.logs` understands becomes events. A structured line's own instant is believed
    inside that life, which begins at `started_ns` (default: now). Other lines that arrive together
    (a traceback) also become one `app.output` event, 200 of them at most; the file has them all.
    After 20,000 lines the rest is dropped, which an `app.truncated` event records. `said_ready`: a
    line has matched `ready` in its first 4,000 characters.
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        life: Life,
        path: Path,
        started_ns: int | None = None,
        ready: str = "",
    ) -> None:
        self.said_ready = False
        self._ready = re.compile(ready) if ready else None
        self._recorder = recorder
        self._life = life
        self._started_ns = time.monotonic_ns() if started_ns is None else started_ns
        self._reader = LogReader()
        self._lines = 0
        self._bursts = 0
        self._others: list[str] = []
        self._at_ns: int | None = None
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._last_ns = 0
        self._quiet: asyncio.TimerHandle | None = None
        self._file: IO[str] | None = path.open("w", encoding="utf-8", buffering=1)

    @property
    def last_lines(self) -> tuple[str, ...]:
        """The last 40 lines without secrets, the newest last; the first 500 characters of each."""
        return tuple(self._last)

    def line(self, text: str, at_ns: int | None = None) -> None:
        """Take one line, written at `at_ns` of the monotonic clock (default: now)."""
        if self._file is None:
            return
        self._lines += 1
        if self._lines == MAX_LINES + 1:
            self._truncate(f"more than {MAX_LINES} lines")
        is_kept = self._lines <= MAX_LINES
        text = self._redacted(text, is_kept=is_kept)
        self._last.append(text[:MAX_LAST_CHARS])
        if is_kept:
            self._file.write(text + "\n")
            self._read(text, at_ns)
        if self._ready is not None and self._ready.search(text[:MAX_MATCHED_CHARS]):
            self.said_ready = True

    def close(self) -> None:
        """Record what is left; no more lines are taken."""
        if self._file is None:
            return
        if self._quiet is not None:
            self._quiet.cancel()
        self._flush()
        self._emit(self._reader.end())
        self._file.close()
        self._file = None

    def _read(self, text: str, at_ns: int | None) -> None:
        self._last_ns = time.monotonic_ns()
        found = self._reader.feed(text, self._last_ns if at_ns is None else at_ns)
        if any(event.is_structured for event in found):
            self._flush()
        else:
            if not self._others:
                asyncio.get_running_loop().call_later(BURST_S, self._flush)
            self._others.append(text)
            self._at_ns = at_ns
        self._emit(found, heard_ns=self._last_ns if at_ns is None else at_ns)
        if self._quiet is None:
            self._quiet = asyncio.get_running_loop().call_later(QUIET_S, self._settle)

    def _settle(self) -> None:
        """Record an error whose last line has been printed, once no line has come for 0.2 s."""
        quiet_s = (time.monotonic_ns() - self._last_ns) / NS_PER_S
        if quiet_s < QUIET_S:
            loop = asyncio.get_running_loop()
            self._quiet = loop.call_later(QUIET_S - quiet_s, self._settle)
        else:
            self._quiet = None
            self._emit(self._reader.quiet())

    def _redacted(self, text: str, *, is_kept: bool) -> str:
        """The line without its secrets, and only then cut: a piece of one would not be masked."""
        whole = self._recorder.redactor.text(text[: MAX_READ_CHARS + 1])
        # A secret at the end of what was read may be a piece already.
        kept = whole[:-CUT_CHARS] if len(text) > MAX_READ_CHARS else whole
        if is_kept and (len(kept) > MAX_LINE_CHARS or kept != whole):
            self._truncate(f"a line of more than {MAX_LINE_CHARS} characters")
        return kept[:MAX_LINE_CHARS]

    def _flush(self) -> None:
        lines, self._others = self._others, []
        self._bursts += bool(lines)
        if not lines or self._bursts > MAX_BURSTS:
            return
        text = "\n".join(lines)
        if len(text) > MAX_TEXT_CHARS:
            text = f"{text[: MAX_TEXT_CHARS // 2]}\n...\n{text[-MAX_TEXT_CHARS // 2 :]}"
        data = {"lines": len(lines), "text": text}
        self._recorder.emit("app", "app.output", data, life=self._life, mono_ns=self._at_ns)

    def _truncate(self, why: str) -> None:
        """Record that the following output is lost, so the evidence is incomplete."""
        self._recorder.emit("app", "app.truncated", {"why": why}, life=self._life)

    def _emit(self, events: Iterable[LogEvent], heard_ns: int | None = None) -> None:
        for event in events:
            at_ns = event.at_ns
            if event.is_structured and heard_ns is not None:
                at_ns = at_ns if self._started_ns <= at_ns <= heard_ns else heard_ns
            self._recorder.emit("app", event.kind, event.data, life=self._life, mono_ns=at_ns)
