"""The app's output: its structured lines become events, every other line is kept as it is."""

from __future__ import annotations

import asyncio
import codecs
import json
import re
import time
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.model import Life
    from crashloop.trace.recorder import Recorder

MAX_LINE_CHARS = 60 * 1024
CUT_CHARS = 8 * 1024  # chosen: more than a secret has, so that one at the reader's cut is dropped
MAX_READ_CHARS = MAX_LINE_CHARS + CUT_CHARS
MAX_LINES = 20_000
MAX_BURSTS = 200
BURST_S = 0.02  # the longest time between two lines of one traceback
MAX_TEXT_CHARS = 2000
MAX_DEPTH = 20  # of a structured line's objects and arrays; what reads them recurses
EVENT_KINDS = ("startup.", "phase.", "shutdown.", "database.", "chat.")

# Already in the event, or too long for it; the life's log has them all.
_DROPPED = frozenset({"event", "mono_ns", "time", "logging.googleapis.com/labels", "stack_trace"})


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

    A structured line is a JSON object, nested at most 20 deep, with a known `event` and its own
    `mono_ns`, which is believed only inside that life, which begins at `started_ns` (default: now).
    Other lines that arrive together (a traceback) become one `app.output` event, 200 of them at
    most; the file has them all. After 20,000 lines the rest is dropped, which an `app.truncated`
    event records. `said_ready`: a line has matched `ready`.
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
        self._lines = 0
        self._bursts = 0
        self._others: list[str] = []
        self._at_ns: int | None = None
        self._file: IO[str] | None = path.open("w", encoding="utf-8", buffering=1)

    def line(self, text: str, at_ns: int | None = None) -> None:
        """Take one line, written at `at_ns` of the monotonic clock (default: now)."""
        self._lines += 1
        if self._file is None or self._lines > MAX_LINES:
            if self._lines == MAX_LINES + 1:
                self._truncate(f"more than {MAX_LINES} lines")
            return
        text = self._redacted(text)
        self._file.write(text + "\n")
        if self._ready is not None and self._ready.search(text):
            self.said_ready = True
        entry = _structured(text)
        if entry is not None:
            self._flush()
            self._event(entry, at_ns)
            return
        if not self._others:
            asyncio.get_running_loop().call_later(BURST_S, self._flush)
        self._others.append(text)
        self._at_ns = at_ns

    def close(self) -> None:
        """Record what is left; no more lines are taken."""
        self._flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _redacted(self, text: str) -> str:
        """The line without its secrets, and only then cut: a piece of one would not be masked."""
        whole = self._recorder.redactor.text(text[: MAX_READ_CHARS + 1])
        # A secret at the end of what was read may be a piece already.
        kept = whole[:-CUT_CHARS] if len(text) > MAX_READ_CHARS else whole
        if len(kept) > MAX_LINE_CHARS or kept != whole:
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

    def _event(self, entry: dict[str, Any], at_ns: int | None) -> None:
        heard_ns = time.monotonic_ns() if at_ns is None else at_ns
        said_ns = entry["mono_ns"]
        instant_ns = said_ns if self._started_ns <= said_ns <= heard_ns else heard_ns
        self._recorder.emit(
            "app",
            entry["event"],
            {key: value for key, value in entry.items() if key not in _DROPPED},
            life=self._life,
            mono_ns=instant_ns,
        )


def _structured(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    kind, mono_ns = entry.get("event"), entry.get("mono_ns")
    known = isinstance(kind, str) and kind.startswith(EVENT_KINDS) and len(kind) < 60  # noqa: PLR2004  longer than any kind
    is_event = known and isinstance(mono_ns, int) and not _is_deeper(entry, MAX_DEPTH)
    return entry if is_event else None


def _is_deeper(value: object, depth: int) -> bool:
    """Whether objects and arrays are nested more than `depth` deep in a JSON value."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_is_deeper(each, depth - 1) for each in inner)
