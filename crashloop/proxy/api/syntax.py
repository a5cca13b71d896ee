"""What is wrong with a JSON text, in the words of Go's encoding/json.

Python's decoder finds the place; only the words, and what Go calls the place, differ.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

END = "unexpected EOF"

_NO_KEY = "looking for beginning of object key string"
_NO_VALUE = "looking for beginning of value"

_LITERALS = {"t": "true", "f": "false", "n": "null"}
_INTEGER_BEFORE = re.compile(r"(?<![0-9.eE+\-])-?(?:0|[1-9][0-9]*)\Z")
_MANTISSA_BEFORE = re.compile(r"(?<![0-9.eE+\-])-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?\Z")
_NUMBER_CHARS = 400
_EXPONENT = re.compile(r"[eE][+-]?")
_NOT_HEX = re.compile(r"[^0-9a-fA-F]")
_STRINGS_AND_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_MAX_CONTEXT_CHARS = 65_536


def complaint(text: str, python_message: str, at: int) -> str:
    """Go's message for the error that Python's decoder found at `at`."""
    for words, complain in _COMPLAINTS:
        if words in python_message:
            return complain(text, at)
    return _no_value(text, at)


def constant_complaint(name: str) -> str:
    """Go's message for NaN, Infinity and -Infinity."""
    if name.startswith("-"):
        return f"invalid character '{name[1]}' in numeric literal"
    return f"invalid character '{name[0]}' looking for beginning of value"


def depth_complaint(text: str) -> str:
    """Go's message for what is nested too deeply."""
    bracket = "[" if text.count("[") >= text.count("{") else "{"
    return f"invalid character '{bracket}' exceeded max depth"


def _no_value(text: str, at: int) -> str:
    here = text[at : at + 1]
    if here == "-":
        return _invalid(text, at + 1, "in numeric literal")
    literal = _LITERALS.get(here)
    if literal is None:
        return _invalid(text, at, _NO_VALUE)
    for step, expected in enumerate(literal):
        if text[at + step : at + step + 1] != expected:
            return _invalid(text, at + step, f"in literal {literal} (expecting '{expected}')")
    raise AssertionError(f"{literal} is a value")


def _after_value(text: str, at: int) -> str:
    before, here = text[max(0, at - _NUMBER_CHARS) : at], text[at : at + 1]
    if here == "." and _INTEGER_BEFORE.search(before):
        return _invalid(text, at + 1, "after decimal point in numeric literal")
    exponent = _EXPONENT.match(text, at)
    if exponent and _MANTISSA_BEFORE.search(before):
        return _invalid(text, exponent.end(), "in exponent of numeric literal")
    where = "array element" if _innermost(text, at) == "[" else "object key:value pair"
    return _invalid(text, at, f"after {where}")


def _innermost(text: str, at: int) -> str:
    """The bracket that is open at `at`; in a very long text, the last one before it."""
    if at > _MAX_CONTEXT_CHARS:
        return "[" if text.rfind("[", 0, at) > text.rfind("{", 0, at) else "{"
    is_open: list[str] = []
    for found in _STRINGS_AND_BRACKETS.finditer(text, 0, at):
        if found.group() in "[{":
            is_open.append(found.group())
        elif found.group() in "]}":
            is_open.pop()
    return is_open[-1]


def _in_hexadecimal(text: str, at: int) -> str:
    first = text.index("u", at) + 1
    wrong = _NOT_HEX.search(text, first, first + 4)
    return _invalid(
        text, wrong.start() if wrong else len(text), "in \\u hexadecimal character escape"
    )


def _invalid(text: str, at: int, where: str) -> str:
    if at >= len(text):
        return END
    return f"invalid character {_quoted(text[at])} {where}"


def _quoted(character: str) -> str:
    # Go's scanner goes by bytes: of a character outside ASCII it names the first
    byte = character.encode("utf-8", "replace")[0]
    special = {"'": "\\'", '"': '"', "\\": "\\\\"}
    named = {"\a": "a", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v"}
    shown = chr(byte)
    if shown in special:
        return f"'{special[shown]}'"
    if shown in named:
        return f"'\\{named[shown]}'"
    if byte < 0x20 or byte == 0x7F:  # noqa: PLR2004  ASCII's control characters
        return f"'\\x{byte:02x}'"
    if 0x80 <= byte < 0xA0:  # noqa: PLR2004  Latin-1's
        return f"'\\u{byte:04x}'"
    return f"'{shown}'"


_COMPLAINTS: tuple[tuple[str, Callable[[str, int], str]], ...] = (
    ("Unterminated string", lambda *_: END),
    ("control character", lambda text, at: _invalid(text, at, "in string literal")),
    ("\\u", _in_hexadecimal),
    ("escape", lambda text, at: _invalid(text, at + 1, "in string escape code")),
    ("comma before end of object", lambda *_: f"invalid character '}}' {_NO_KEY}"),
    ("comma before end of array", lambda *_: f"invalid character ']' {_NO_VALUE}"),
    ("property name", lambda text, at: _invalid(text, at, _NO_KEY)),
    ("':'", lambda text, at: _invalid(text, at, "after object key")),
    ("','", _after_value),
)
"""Parts of Python's messages, of every version from 3.11 on, and what Go would say."""
