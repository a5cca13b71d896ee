"""The message of a command that gave no result, with what to do next."""

from __future__ import annotations

import contextlib
import sys
import traceback
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from crashloop.report.clean import line_as_said
from crashloop.report.data import error_document
from crashloop.report.document import write_document

if TYPE_CHECKING:
    from collections.abc import Mapping

INTERRUPTED = 128


def show_failure(
    message: str,
    *,
    hint: str,
    exit_status: int,
    as_json: bool,
    so_far: Mapping[str, Any] = MappingProxyType({}),
    debug: bool = False,
) -> int:
    """Write the message to standard error (`as_json`: a document to standard output as well).

    `so_far` is what the document has besides: what had been found before. `debug` adds the
    traceback of the exception that is being handled. Returns `exit_status`.
    """
    with contextlib.suppress(OSError):  # the terminal is gone; the status remains
        if debug and sys.exc_info()[0] is not None:
            sys.stderr.write(traceback.format_exc())
        lead = "" if exit_status > INTERRUPTED else "error: "
        sys.stderr.write(f"{lead}{multiline(message)}\n")
        if hint:
            sys.stderr.write(f"  {multiline(hint)}\n")
        sys.stderr.flush()
        if as_json:
            error = error_document(message, hint=hint, exit_status=exit_status)
            write_document({**so_far, **error})
    return exit_status


def show_warning(message: str) -> None:
    """Write to standard error what went wrong beside a result that stands; "" is nothing."""
    if message:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"warning: {multiline(message)}\n")
            sys.stderr.flush()


def multiline(text: str) -> str:
    """`text` with its lines kept (a program's last words), each of them clean."""
    return "\n".join(line_as_said(one, 600) for one in text.split("\n")[:40])
