"""Reads log files: bytes to lines, in bounded memory, whatever is in them."""

from __future__ import annotations

import codecs
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from crashloop.errors import UsageError
from crashloop.json_arrays import array_items, is_array
from crashloop.logs.entry import Line

if TYPE_CHECKING:
    from collections.abc import Iterator

STDIN = "-"
MAX_LINE_BYTES = 1_000_000
"""What is longer is cut there; a line of it is no message."""
_HEAD_BYTES = 4096
_TRACE = b'{"schema":"crashloop.trace/'
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_lines(name: str) -> Iterator[Line]:
    """The lines of a file as it is now, or of standard input for `-`.

    UTF-8, or UTF-16 with its mark; bytes that are none become U+FFFD. UsageError, before the first
    line, for a file that cannot be read, is empty, or is binary.
    """
    with ExitStack() as stack:
        if name == STDIN:
            source: BinaryIO = sys.stdin.buffer
        else:
            source = stack.enter_context(_opened(name))
        head = source.readline(MAX_LINE_BYTES)
        encoding = _encoding(name, head)
        if encoding.startswith("utf-16"):
            yield from _decoded(name, head + source.read(), encoding)
            return
        raw = head.removeprefix(codecs.BOM_UTF8)
        if is_array(raw):
            yield from array_items(name, raw, source)
            return
        number = 0
        while raw:
            number += 1
            text = raw.decode("utf-8", "replace")
            yield Line(name, number, text.rstrip("\r\n"))
            if not raw.endswith(b"\n"):
                _skip_to_end(source)
            try:
                raw = source.readline(MAX_LINE_BYTES)
            except OSError as error:
                raise UsageError(
                    f"{name} could not be read on after line {number}: {error.strerror}",
                    hint="copy the file to this machine and diagnose the copy",
                ) from error


def is_trace(name: str) -> bool:
    """Whether a file begins as the trace of a run of ours does; False if it cannot be read."""
    path = Path(name)
    try:
        if name == STDIN or not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(_TRACE)) == _TRACE
    except (OSError, ValueError):
        return False


def _opened(name: str) -> BinaryIO:
    path = Path(name)
    try:
        if path.is_dir():
            raise UsageError(
                f"{name} is a folder, not a log file",
                hint="name the files in it; of a run's folder, its trace.jsonl",
            )
        if path.exists() and not (path.is_file() or path.is_fifo()):
            raise UsageError(f"{name} is no file that can be read", hint="name a log file, or -")
        return path.open("rb")
    except (OSError, ValueError) as error:
        says = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(
            f"{name} cannot be read: {says}", hint="name a log file, or - for standard input"
        ) from None


def _encoding(name: str, head: bytes) -> str:
    """The encoding that the first bytes show; UsageError if they are no text, or none at all."""
    if not head:
        where = "standard input" if name == STDIN else name
        raise UsageError(f"{where} is empty", hint="give the log of a time when the app started")
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return encoding
    if b"\x00" in head[:_HEAD_BYTES]:
        raise UsageError(
            f"{name} is binary, not a log",
            hint="decompress it first (gunzip, unzip), or export it as text or JSON",
        )
    return "utf-8"


def _decoded(name: str, raw: bytes, encoding: str) -> Iterator[Line]:
    text = raw.decode(encoding, "replace").removeprefix("\ufeff")
    for number, line in enumerate(text.splitlines(), 1):
        yield Line(name, number, line[:MAX_LINE_BYTES])


def _skip_to_end(source: BinaryIO) -> None:
    """Skip the rest of a line that was cut."""
    while (more := source.readline(MAX_LINE_BYTES)) and not more.endswith(b"\n"):
        pass
