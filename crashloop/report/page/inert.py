"""Text of others as a page shows it: bounded, and with marks that hide themselves made visible."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from markupsafe import escape

from crashloop.report.clean import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_CHARS = 300
# Marks that change the direction of text, join it, or have no width.
_HIDDEN = re.compile("[\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def inert(value: object, limit: int = MAX_CHARS) -> str:
    """One line of at most `limit` characters; `\u27e8U+202E\u27e9` stands for a mark that hides."""
    text = (value if isinstance(value, str) else str(value))[: 4 * limit + 1000]
    return clean(_HIDDEN.sub(lambda found: f"\u27e8U+{ord(found[0]):04X}\u27e9", text), limit)


def inert_line(text: str, limit: int) -> str:
    """`inert`, but with the line's indentation."""
    indent = len(text) - len(text.lstrip(" "))
    return " " * min(indent, limit // 2) + inert(text, limit)


def inert_data(data: Mapping[str, Any], size_bytes: int) -> str:
    """The data of an event: `name value, name value`, within `size_bytes` of the page."""
    named = (f"{name} {_value(value)}" for name, value in data.items() if value is not None)
    return fitted(", ".join(named), size_bytes)


def fitted(value: object, size_bytes: int) -> str:
    """`inert`, cut to what takes no more than `size_bytes` of the page."""
    text = inert(value, size_bytes)
    while (size := size_of(text)) > size_bytes:
        text = f"{text[: len(text) * size_bytes // size - 1]}\u2026"
    return text


def size_of(text: str) -> int:
    """How many bytes of the page the text takes."""
    return len(escape(text).encode(errors="replace"))


def _value(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
