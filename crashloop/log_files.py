"""Reads log files: bytes to lines, in bounded memory, whatever is in them."""

from __future__ import annotations

import codecs
import sys
from contextlib import ExitStack
from itertools import chain
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
_PACKED = (
    (b"\x1f\x8b", "gunzip -c FILE | crashloop diagnose -"),
    (b"\x28\xb5\x2f\xfd", "zstd -dc FILE | crashloop diagnose -"),
    (b"\xfd7zXZ", "xz -dc FILE | crashloop diagnose -"),
    (b"BZh", "bzip2 -dc FILE | crashloop diagnose -"),
    (b"PK\x03\x04", "unzip -p FILE | crashloop diagnose -"),
)
_TRACE = b'{"schema":"crashloop.trace/'
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_lines(name: str) -> Iterator[Line]:
    """The lines of a file as it is now, or of standard input for `-`.

    UTF-8, or UTF-16 with its mark; bytes that are none become U+FFFD. A JSON array of objects has
    an object a line. UsageError, before the first line, for a file that cannot be read, is empty,
    or is binary, and after some lines where it can be read no further.
    """
    if name == STDIN and getattr(sys, "stdin", None) is None:
        raise UsageError("standard input is closed", hint="name a log file, or pipe one in")
    number = 0
    with ExitStack() as stack:
        try:
            source = sys.stdin.buffer if name == STDIN else stack.enter_context(_opened(name))
            for line in _lines(name, source):
                number = line.number
                yield line
        except OSError as error:
            raise UsageError(
                f"{name} could not be read on after line {number}: {error.strerror}",
                hint="copy the file to this machine and diagnose the copy",
            ) from error


def _lines(name: str, source: BinaryIO) -> Iterator[Line]:
    head = source.readline(MAX_LINE_BYTES)
    encoding = _encoding(name, head)
    if encoding.startswith("utf-16"):
        yield from _decoded(name, head, source, encoding)
        return
    raw = head.removeprefix(codecs.BOM_UTF8)
    if is_array(raw):
        yield from array_items(name, raw, source)
        return
    number = 0
    while raw:
        number += 1
        yield Line(name, number, raw.decode("utf-8", "replace").rstrip("\r\n"))
        if not raw.endswith(b"\n"):
            _skip_to_end(source)
        raw = source.readline(MAX_LINE_BYTES)


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
    for magic, how in _PACKED:
        if head.startswith(magic):
            raise UsageError(f"{name} is compressed", hint=f"decompress it first: {how}")
    if b"\x00" in head[:_HEAD_BYTES]:
        raise UsageError(
            f"{name} is binary, not a log",
            hint="export it as text or JSON",
        )
    return "utf-8"


def _decoded(name: str, head: bytes, source: BinaryIO, encoding: str) -> Iterator[Line]:
    """The lines of a file whose characters have two bytes."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    rest, number = "", 0
    for raw in chain([head], iter(lambda: source.read(MAX_LINE_BYTES), b"")):
        *lines, rest = (rest + decoder.decode(raw)).split("\n")
        for line in lines:
            number += 1
            yield Line(name, number, line.rstrip("\r").removeprefix("\ufeff"))
        rest = rest[:MAX_LINE_BYTES]
    if rest:
        yield Line(name, number + 1, rest.removeprefix("\ufeff"))


def _skip_to_end(source: BinaryIO) -> None:
    """Skip the rest of a line that was cut."""
    while (more := source.readline(MAX_LINE_BYTES)) and not more.endswith(b"\n"):
        pass
