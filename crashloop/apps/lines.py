"""The line of each key of a TOML file, which the standard library's parser does not say."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left

Keys = tuple[str | int, ...]
"""The keys that lead to a value; an element of a list is numbered from 0."""

_GAP = re.compile(r"(?:[\s]|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'", re.DOTALL
)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_OTHER = re.compile(r"[^,\]}#\n]*")


def lines_of(text: str) -> dict[Keys, int]:
    """The line of each table, key and element in a text that tomllib has accepted."""
    return _Scanner(text).document()


class _Scanner:
    """Goes through valid TOML once, from table to table and from key to value."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._newlines = [found.start() for found in re.finditer(r"\n", text)]
        self._at = 0
        self._lines: dict[Keys, int] = {}
        self._tables_in: dict[Keys, int] = {}  # by list of tables, how many `[[...]]` there were

    def document(self) -> dict[Keys, int]:
        table: Keys = ()
        while self._next() is not None:
            if self._next() == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    def _header(self) -> Keys:
        """Take `[a.b]`, or `[[a.b]]`: the next table of a list."""
        line, is_list = self._line(), self._text.startswith("[[", self._at)
        brackets = 2 if is_list else 1
        self._at += brackets
        *parents, last = self._names()
        self._skip(_BLANK)
        self._at += brackets
        keys: Keys = ()
        for name in parents:
            keys = self._current((*keys, name))
            self._lines.setdefault(keys, line)
        keys = (*keys, last)
        if is_list:
            self._lines.setdefault(keys, line)
            self._tables_in[keys] = self._tables_in.get(keys, 0) + 1
            keys = self._current(keys)
        self._lines[keys] = line
        return keys

    def _current(self, keys: Keys) -> Keys:
        """The last table of the list, if the keys lead to a list of tables."""
        count = self._tables_in.get(keys)
        return keys if count is None else (*keys, count - 1)

    def _pair(self, table: Keys) -> None:
        line, keys = self._line(), table
        for name in self._names():
            keys = (*keys, name)
            self._lines.setdefault(keys, line)
        self._next()
        self._at += 1  # the equals sign
        self._value(keys)

    def _value(self, keys: Keys) -> None:
        first = self._next()
        if first == "[":
            self._at += 1
            number = 0
            while self._next() != "]":
                self._lines[*keys, number] = self._line()
                self._value((*keys, number))
                self._end_of_element()
                number += 1
            self._at += 1
        elif first == "{":
            self._at += 1
            while self._next() != "}":
                self._pair(keys)
                self._end_of_element()
            self._at += 1
        elif first in {'"', "'"}:
            self._skip(_STRING)
        else:
            self._skip(_OTHER)

    def _end_of_element(self) -> None:
        if self._next() == ",":
            self._at += 1

    def _names(self) -> list[str]:
        """Take a key: its parts, which dots separate."""
        names: list[str] = []
        while True:
            self._skip(_BLANK)
            if self._text[self._at] in "\"'":
                names.append(tomllib.loads(f"key = {self._skip(_STRING)}")["key"])
            else:
                names.append(self._skip(_BARE))
            self._skip(_BLANK)
            if self._text[self._at] != ".":
                return names
            self._at += 1

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        assert found, f"no TOML at character {self._at}"
        self._at = found.end()
        return found[0]

    def _next(self) -> str | None:
        """The next character that is neither white space nor in a comment; None at the end."""
        self._skip(_GAP)
        return self._text[self._at] if self._at < len(self._text) else None

    def _line(self) -> int:
        return bisect_left(self._newlines, self._at) + 1
