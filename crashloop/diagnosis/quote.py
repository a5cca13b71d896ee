"""What logs say, as a sentence quotes it: without secrets, on one line, and cut. Pure."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from crashloop.trace.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_CHARS = 160
SIGNALLED = 128
"""A shell's exit code for a process that a signal ended is this and the signal's number."""


def quoted(text: object, limit: int = MAX_CHARS) -> str:
    """The first line of the text; it is cut only after its secrets are masked."""
    first = next((one for one in str(text)[: 20 * limit].split("\n") if one.strip()), "")
    shown = " ".join(Redactor().text(first).split())
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def root_of(chain: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The innermost exception of a chain that says something: asyncio's cancelling does not."""
    said = [link for link in chain if not str(link.get("type")).endswith("CancelledError")]
    return (said or chain)[-1]


def error_words(link: Mapping[str, Any]) -> str:
    """One exception: its type without its modules, its message, and where it arose."""
    name = str(link.get("type") or "").rpartition(".")[2][:MAX_CHARS]
    message = quoted(link.get("message") or "")
    says = ": ".join(part for part in (name, message) if part) or "an error without words"
    where = quoted(link.get("where") or "", 80)
    return f"{says} (in {where})" if where else says


def exit_words(data: Mapping[str, Any]) -> str:
    """How a process ended: `exit code 3`, `SIGKILL (exit code 137), reason OOMKilled`."""
    code, reason = data.get("exit_code"), data.get("reason")
    name = quoted(data.get("signal") or "", 20)
    number = int(name) if name.isdecimal() else 0
    if isinstance(code, int) and code > SIGNALLED and not name:
        number = code - SIGNALLED
    with suppress(ValueError):
        name = signal.Signals(number).name
    words = f"exit code {code}" if isinstance(code, int) else ""
    words = f"{name} ({words})" if name and words else name or words or "an end without a code"
    is_said = isinstance(reason, str) and reason not in {"", "Error", "Completed"}
    return f"{words}, reason {quoted(reason, 40)}" if is_said else words


def was_killed(data: Mapping[str, Any]) -> bool:
    """Whether a signal ended the process."""
    code = data.get("exit_code")
    by_code = isinstance(code, int) and (code > SIGNALLED or code < 0)
    return bool(data.get("signal")) or by_code or data.get("reason") == "OOMKilled"
