"""Writes a trace as it happens, line by line: a run that is killed loses at most one line."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any, Self

from crashloop.errors import HarnessError, UsageError
from crashloop.trace.event import LAST_KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from crashloop.trace.redact import Redactor

OURS = frozenset({"signature", "signature_sha256", "scenario"})
"""Parts of a header that are redacted where they are made, or hold no word of a user's."""

MAX_EVENTS = 200_000
MAX_LINE_BYTES = 1024 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)


class TraceWriter:
    """An append-only JSONL file; the header first, then events.

    Each line is written whole by one `write` and passes the redactor a second time. Raises
    UsageError if `path` cannot be made or exists, HarnessError if the disk is full or a bound
    is passed.
    """

    def __init__(self, path: Path, header: Mapping[str, Any], redactor: Redactor) -> None:
        self.path = path
        self._redactor = redactor
        self._lines = 0
        self._size_bytes = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._fd = os.open(path, flags, 0o644)
        except OSError as error:
            if isinstance(error, FileExistsError) and path.exists():
                raise UsageError(
                    f"there is a trace already: {path}",
                    hint="name another --artifacts folder; evidence is never written over",
                ) from None
            kind = HarnessError if error.errno in _FULL else UsageError
            raise kind(
                f"cannot write the trace {path}: {error.strerror}",
                hint="name an --artifacts folder that you may write to, on a disk with room",
            ) from None
        self.write(header)

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one record as one line."""
        if self._lines > MAX_EVENTS and record.get("kind") not in LAST_KINDS:
            raise HarnessError(
                f"the trace passed its bound of {MAX_EVENTS} events: {self.path}",
                hint="its last lines show what repeats without end",
            )
        # Value by value: in the line's own text a mask could cover a quote or a backslash of JSON.
        # Our own words stay: a secret, such as the password "postgres", may be one of them.
        users = {"data"} if "data" in record else record.keys() - OURS
        clean = {k: self._redactor.data(v) if k in users else v for k, v in record.items()}
        line = json.dumps(clean, separators=(",", ":"), ensure_ascii=True)
        payload = line.encode() + b"\n"
        if len(payload) > MAX_LINE_BYTES:
            raise HarnessError(
                f"an event of {len(payload)} bytes is too large for the trace {self.path}",
                hint="events carry short facts; long text belongs in the attempt's log",
            )
        try:
            written = os.write(self._fd, payload)
        except OSError as error:
            raise self._lost(f"cannot write the trace {self.path}: {error.strerror}") from None
        if written != len(payload):
            os.ftruncate(self._fd, self._size_bytes)  # the next line must not follow half a line
            raise self._lost(
                f"only {written} of {len(payload)} bytes of the trace {self.path} were written"
            )
        self._lines += 1
        self._size_bytes += written

    def sync(self) -> None:
        """Wait until all lines have reached the disk; HarnessError if they cannot."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise self._lost(f"cannot write the trace {self.path}: {error.strerror}") from None

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @staticmethod
    def _lost(message: str) -> HarnessError:
        hint = "free some room on that disk, or give another --artifacts folder"
        return HarnessError(message, hint=hint)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
