"""Values from others (app, log, trace), made safe to show: bounded and harmless."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Any

MAX_CHARS = 300
_MAX_NUMBER = 1e15

# CSI, OSC, and the other escape sequences of ECMA-48, in their 7-bit and 8-bit forms.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)


def clean(value: object, limit: int = MAX_CHARS) -> str:
    """One line of at most `limit` characters without control characters or escape sequences.

    White space of any kind becomes one blank; what cannot be shown becomes U+FFFD.
    """
    text = (value if isinstance(value, str) else str(value))[: 4 * limit + 1000]
    text = " ".join(_ESCAPES.sub("", text).split())
    shown = "".join(_shown(character) for character in text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def harmless(text: str) -> str:
    """The text on one line without control characters and escape sequences, of any length."""
    if text.isprintable():
        return text
    text = _ESCAPES.sub("", text)
    return "".join(" " if each.isspace() else _shown(each) for each in text)


def line_as_said(text: str, limit: int = MAX_CHARS) -> str:
    """`clean`, but with the line's indentation."""
    indent = len(text) - len(text.lstrip(" "))
    return " " * min(indent, limit // 2) + clean(text, limit)


def label(value: object, limit: int = 24) -> str:
    """`clean`, and every character one column wide, for what is drawn to a grid."""
    return clean(value, limit).encode("ascii", "replace").decode()


def number(value: object) -> float | None:
    """The value as a finite float; None for anything that is not a sensible number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not -_MAX_NUMBER < value < _MAX_NUMBER or not math.isfinite(value):
        return None
    return float(value)


def mapping(value: object) -> dict[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def listing(value: object) -> list[Any]:
    """The value if it is a JSON array, else an empty one."""
    return list(value) if isinstance(value, list | tuple) else []


def _shown(character: str) -> str:
    return "\ufffd" if unicodedata.category(character).startswith("C") else character
