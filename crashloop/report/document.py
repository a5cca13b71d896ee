"""One document on standard output, JSON or Markdown, and nothing else there."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_OUTPUT, _ERRORS = 1, 2
_reserved: list[IO[str]] = []
"""The streams of those who have standard output for themselves, the last one first."""


def document_text(document: Any) -> str:
    """The document as every reader of JSON takes it: a number that is none, or has no end, is null.

    What `to_json` gives, and the parameters of an incident from elsewhere, may have such a number.
    """
    try:
        text = json.dumps(document, indent=2, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(document), indent=2, allow_nan=False)
    return text + "\n"


def write_document(document: Any) -> None:
    """Write the one document to standard output, now; a reader that went away is no error."""
    write_page(document_text(document))


def write_page(text: str) -> None:
    """`write_document`, of a document that is a text."""
    stream = _reserved[-1] if _reserved else sys.stdout
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        discard(stream)
        if not isinstance(error, BrokenPipeError):
            raise


def discard(stream: IO[str]) -> None:
    """Discard everything that is still to be written to `stream`."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


@contextlib.contextmanager
def printed_apart() -> Iterator[None]:
    """Within, what is printed goes to standard error, be it by Python, by C or by a child."""
    stream = sys.stdout
    kept = _replaced(stream)
    with contextlib.redirect_stdout(sys.stderr):
        try:
            yield
        finally:
            if kept is not None:
                _flush_all(stream)
                os.dup2(kept, _OUTPUT)
                os.close(kept)


@contextlib.contextmanager
def reserved() -> Iterator[None]:
    """Within, standard output is for the one document; all else goes to standard error.

    What C or a child writes goes there for the rest of the process.
    """
    stream = sys.stdout
    if _is_standard(stream) and (kept := _replaced(stream)) is not None:
        stream = os.fdopen(kept, "w", encoding="utf-8")
    with contextlib.redirect_stdout(sys.stderr):
        _reserved.append(stream)
        try:
            yield
        finally:
            _reserved.remove(stream)


def _is_standard(stream: IO[str]) -> bool:
    return _number(stream, -1) == _OUTPUT


def _number(stream: IO[str], otherwise: int) -> int:
    """The stream's descriptor."""
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return otherwise


def _replaced(stream: IO[str]) -> int | None:
    """Let standard error take the place of standard output; a copy of that, None if it is closed.

    `stream` writes to it, and has perhaps something left to write.
    """
    try:
        stream.flush()
        sys.stderr.flush()
        errors = _number(sys.stderr, _ERRORS)  # another than 2 where the caller has closed that
        kept = os.dup(_OUTPUT)
        os.dup2(errors, _OUTPUT)
    except (OSError, ValueError):
        return None
    return kept


def _flush_all(stream: IO[str]) -> None:
    """Write what C and Python have in their buffers."""
    import ctypes  # noqa: PLC0415  heavy, and only for code from elsewhere

    with contextlib.suppress(OSError, ValueError):
        stream.flush()
    ctypes.CDLL(None).fflush(None)


def _finite(value: Any) -> Any:
    """The value with null for each number that JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
