"""Errors of a command: one message in words, and an exit status."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from crashloop.errors import CrashloopError, HarnessError, UsageError
from crashloop.report.document import discard, reserved

if TYPE_CHECKING:
    from collections.abc import Callable

KEYBOARD_INTERRUPT = 130
JSON = "--json"
DOCUMENTS = (JSON, "--markdown")


def exit_status(run: Callable[[], Any], words: list[str]) -> int:
    """Call `run`, the typer app on `words`; an error becomes one message, without a traceback."""
    sys.stdout, sys.stderr = _writable(sys.stdout), _writable(sys.stderr)
    with reserved() if _is_asked(words, *DOCUMENTS) else contextlib.nullcontext():
        status = _status(run, words)
    try:
        sys.stdout.flush()
    except OSError as error:
        return _not_written(words, error)
    return status


def _status(run: Callable[[], Any], words: list[str]) -> int:
    try:
        status = int(run() or 0)
    except KeyboardInterrupt:
        status = KEYBOARD_INTERRUPT
    except CrashloopError as error:
        return _failed(words, error.message, error.hint, error.exit_status)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else HarnessError.exit_status
    except OSError as error:
        return _not_written(words, error)
    except Exception as error:  # noqa: BLE001  the last frame: a bug must end in words too
        return _unexpected(words, error)
    # typer answers Ctrl-C with a status of its own; a run that was interrupted ends by SystemExit.
    return _interrupted(words) if status == KEYBOARD_INTERRUPT else status


def _is_asked(words: list[str], *options: str) -> bool:
    """Whether one of the options is given, and no page of help is asked for."""
    return not {*options}.isdisjoint(words) and {"-h", "--help"}.isdisjoint(words)


def _interrupted(words: list[str]) -> int:
    return _failed(words, "interrupted before anything was started", "", KEYBOARD_INTERRUPT)


def _not_written(words: list[str], error: OSError) -> int:
    """Report what could not be written, and discard the rest of the buffer."""
    if sys.stdout is not sys.stderr:  # the stream of a document has been discarded
        discard(sys.stdout)
    what = f"{error.filename or 'writing the result'}: {error.strerror or error}"
    hint = "check that the disk is not full and that the reader of the output is still there"
    return _failed(words, what, hint, HarnessError.exit_status)


def _writable(stream: TextIO | None) -> TextIO:
    """A stream that accepts every character; one that discards them if the caller closed it."""
    if stream is None:
        return Path(os.devnull).open("w", encoding="utf-8")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream


def _unexpected(words: list[str], error: Exception) -> int:
    """Wrong usage or an interruption, as typer saw it; else a bug."""
    if type(error).__name__ == "Abort":
        return _interrupted(words)
    explain = getattr(error, "format_message", None)
    if explain is not None:
        return _failed(words, *_usage(error, str(explain())), UsageError.exit_status)
    return _failed(
        words,
        f"{type(error).__name__}: {error}",
        "this is a bug in crashloop: please report it with the traceback, which --debug shows",
        HarnessError.exit_status,
    )


def _usage(error: Any, message: str) -> tuple[str, str]:
    context = getattr(error, "ctx", None)
    if not message and context is not None:
        sys.stdout.write(f"{context.get_help()}\n")
        return "no command was given", ""
    where = context.command_path if context is not None else "crashloop"
    return _plain(message), f"see: {where} --help"


def _plain(message: str) -> str:
    """A message about wrong usage, without the library's own wording."""
    message = message.replace("Value error, ", "").replace(": Input should be", ": it must be")
    return re.sub(r", unable to parse string as an? \w+$", "", message)


def _failed(words: list[str], message: str, hint: str, status: int) -> int:
    from crashloop.report.failure import show_failure  # noqa: PLC0415  only where something failed

    return show_failure(
        message,
        hint=hint,
        exit_status=status,
        as_json=_is_asked(words, JSON),
        debug="--debug" in words,
    )
