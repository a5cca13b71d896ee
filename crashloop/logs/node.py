"""Node's errors: their stack, and their properties as `util.inspect` prints them (Node 20)."""

from __future__ import annotations

import errno
import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crashloop.logs.drivers import errno_of, node_facts, tcp_address
from crashloop.logs.event import MAX_MESSAGE_CHARS, Link, error_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crashloop.logs.event import LogEvent

MAX_LINES = 1000
MAX_DEPTH = 10
MAX_ERRORS = 50
MAX_MESSAGE_LINES = 10
STACK_INDENT = 4
PROPERTY_INDENT = 2
SQLSTATE_CHARS = 5

_CODE = r"(?: \[(?P<code>[A-Z0-9_]{1,60})\])?"
_WHOLE = re.compile(
    rf"(?P<head>(?P<name>[A-Za-z_$][\w$]{{0,99}}){_CODE}(?::(?: |$)|$)).*", re.DOTALL
)
_LATER = re.compile(rf"(?P<head>(?<![\w$.])(?P<name>[A-Z][\w$]{{0,99}}){_CODE}: )")
_ERROR_NAME = re.compile(r"(?:[A-Za-z_$][\w$]*)?(?:Error|error|Exception)")
_PLACE = re.compile(r":\d{1,7}:\d{1,7}$")
_NO_PLACE = ("<anonymous>", "native")
_INTEGER = re.compile(r"-?([0-9]{1,4})")
_PROPERTY = re.compile(r"\[?(?P<key>[A-Za-z_$][\w$]{0,60})\]?: (?P<value>.*)")


@dataclass(slots=True)
class _Error:
    name: str
    lines: list[str]
    indent: int
    code: str | None = None
    has_stack: bool = False
    has_properties: bool = False
    in_errors: bool = False
    properties: dict[str, str] = field(default_factory=dict)
    inner: list[_Error] = field(default_factory=list)

    def link(self) -> Link:
        message = "\n".join(self.lines).rstrip()[:MAX_MESSAGE_CHARS]
        own = self.properties
        code = own.get("code", self.code)
        is_sqlstate = "severity" in own and len(code or "") == SQLSTATE_CHARS
        facts = node_facts(message)
        address = tcp_address(own.get("address", ""), own.get("port", ""))
        if address is None and own.get("address", "").startswith("/"):
            address = f"unix:{own['address']}"
        return Link(
            type=self.name,
            message=message,
            errno=_number(own.get("errno", "")) or errno_of(code or "") or facts.errno,
            sqlstate=code if is_sqlstate else None,
            code=None if is_sqlstate else code,
            address=address or facts.address,
        )


class NodeErrors:
    """Finds Node's errors among the lines of one life, and calls `on_error` with each.

    An error is a line with its name, its message, and at least one line of its stack; or an error
    without a stack in brackets, whose properties follow.
    """

    def __init__(self, on_error: Callable[[LogEvent], None]) -> None:
        self._on_error = on_error
        self._recent: deque[tuple[str, int]] = deque(maxlen=MAX_MESSAGE_LINES)
        self._stack: list[_Error] = []
        self._first: _Error | None = None
        self._at_ns = 0
        self._lines = 0
        self._errors = 0
        self._skipped: int | None = None

    def feed(self, line: str, at_ns: int) -> bool:
        """Take the next line; whether it belongs to an error that has begun before or begins."""
        if self._first is not None:
            self._lines += 1
            if self._lines <= MAX_LINES and self._take(line):
                return True
            self.end()
        if _is_stack(line):
            return self._begin(line)
        self._recent.append((line, at_ns))
        bare = _bare(line)
        if bare is not None and bare.has_properties:
            self._open(bare, at_ns)
            return True
        return False

    def end(self) -> None:
        """End the open error, if there is one; what follows is not of it."""
        first, self._first = self._first, None
        self._stack.clear()
        self._recent.clear()
        if first is not None:
            chain = [error.link() for error in _flat(first)]
            self._on_error(error_event(chain, by="node", at_ns=self._at_ns))

    def _begin(self, line: str) -> bool:
        """Begin an error at the first line of its stack; False if no name is above it."""
        above: list[str] = []
        indent = _indent(line) - STACK_INDENT
        for text, at_ns in reversed(self._recent):
            found = _named(text, indent, anywhere=True)
            if found is not None:
                found.lines += reversed(above)
                self._open(found, at_ns)
                return self._take(line)
            above.append(text[:MAX_MESSAGE_CHARS])
        return False

    def _open(self, error: _Error, at_ns: int) -> None:
        self._first, self._stack, self._at_ns = error, [error], at_ns
        self._lines, self._errors, self._skipped = 1, 1, None

    def _take(self, line: str) -> bool:
        while self._stack:
            taken = self._step(self._stack[-1], line)
            if taken is not None:
                return taken
            self._stack.pop()
        return False

    def _step(self, top: _Error, line: str) -> bool | None:
        """Whether the line belongs to the error; None if the innermost one has ended before it."""
        text, indent = line.strip(), _indent(line)
        if self._skipped is not None:
            if indent > self._skipped or not text:
                return True
            is_end, self._skipped = text[0] in "}])", None
            if is_end:
                return True
        if not top.has_properties:
            return _stack(top, line) or (True if _emitted(text) else None)
        if indent <= top.indent:
            if text in {"}", "},"}:
                self._stack.pop()
                if not self._stack:
                    self.end()
                return True
            return None if text else True
        self._property(top, text, indent)
        return True

    def _property(self, top: _Error, text: str, indent: int) -> None:
        if top.in_errors and indent == top.indent + 2 * PROPERTY_INDENT:
            found = _bare(text, indent) or _named(text, indent)
            if found is not None:
                self._nest(top, found)
                return
        found_property = _PROPERTY.fullmatch(text)
        if found_property is None or indent != top.indent + PROPERTY_INDENT:
            return
        key, value = found_property["key"], found_property["value"]
        if text.startswith("[cause]: "):
            cause = _bare(value, indent) or _named(value, indent)
            if cause is not None:
                self._nest(top, cause)
                return
        top.in_errors = text == "[errors]: ["
        if not top.in_errors and value.endswith(("{", "[", "(")):
            self._skipped = indent
        elif not top.in_errors:
            top.properties.setdefault(
                key, value.removesuffix(",").strip("'\"`")[:MAX_MESSAGE_CHARS]
            )

    def _nest(self, top: _Error, found: _Error) -> None:
        self._errors += 1
        if len(self._stack) < MAX_DEPTH and self._errors <= MAX_ERRORS:
            top.inner.append(found)
            self._stack.append(found)
        else:
            self._skipped = found.indent


def _stack(top: _Error, line: str) -> bool:
    """Take a line of the error's message or stack, and note whether its properties follow."""
    text = line.strip()
    is_more = text.startswith("... ") and " lines matching " in text
    if _is_stack(line) or (top.has_stack and is_more):
        top.has_stack = True
        top.has_properties = text.endswith(" {")
        return True
    if top.has_stack or len(top.lines) >= MAX_MESSAGE_LINES:
        return False
    top.lines.append(text[:MAX_MESSAGE_CHARS])
    return True


def _emitted(text: str) -> bool:
    return text.startswith("Emitted '") and text.endswith(" at:")


def _is_stack(line: str) -> bool:
    """Whether it is a line of a stack: `    at connect (node:net:1611:16)`."""
    text = line.strip()
    if not text.startswith("at ") or _indent(line) < STACK_INDENT:
        return False
    place = text.removesuffix(" {").removesuffix(",").removesuffix(")")
    is_index = "(index " in place[-20:]
    return is_index or place.endswith(_NO_PLACE) or _PLACE.search(place[-20:]) is not None


def _named(text: str, indent: int, *, anywhere: bool = False) -> _Error | None:
    """The error that a line names; with `anywhere`, also after other words of a log line."""
    text = text.strip()
    found = _WHOLE.fullmatch(text)
    if found is None or not _ERROR_NAME.fullmatch(found["name"]):
        later = _LATER.finditer(text) if anywhere else iter(())
        found = next((each for each in later if _ERROR_NAME.fullmatch(each["name"])), None)
    if found is None:
        return None
    message = text[found.end("head") :][:MAX_MESSAGE_CHARS]
    return _Error(found["name"], [message], indent, code=found["code"])


def _bare(text: str, indent: int = 0) -> _Error | None:
    """The error without a stack that a line shows: `[Error: connect ENOENT /x] {`."""
    text = text.strip()
    if not text.startswith("["):
        return None
    inner, closed, rest = text[1:].rpartition("]")
    found = _named(inner, indent) if closed and rest in {"", ",", " {"} else None
    if found is not None:
        found.has_stack, found.has_properties = True, rest == " {"
    return found


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _number(text: str) -> int | None:
    """The errno that a property is; libuv negates it, and has numbers of its own."""
    found = _INTEGER.fullmatch(text)
    return int(found[1]) if found and int(found[1]) in errno.errorcode else None


def _flat(error: _Error) -> Iterator[_Error]:
    yield error
    for inner in error.inner:
        yield from _flat(inner)
