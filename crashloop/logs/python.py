"""Python's tracebacks: exceptions with their causes, groups, notes and messages of many lines.

The form is that of `traceback.TracebackException.format` (3.9 to 3.13): the root comes first.
Loguru's frames have empty lines and a mark between them, and rich draws a box around them.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from crashloop.logs.drivers import python_link
from crashloop.logs.event import MAX_MESSAGE_CHARS, error_event
from crashloop.logs.frames import Frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crashloop.logs.event import Link, LogEvent

MAX_LINES = 3000
MAX_PREFIX_CHARS = 200
MAX_EXCEPTIONS = 50
MAX_LEVELS = 12  # Python prints groups ten deep
MAX_MESSAGE_LINES = 30
MAX_OTHERS = 30  # lines of others, or of a message that goes on after an empty line

HEADER = "Traceback (most recent call last):"
_GROUP = "Exception Group "
_CHAINED = frozenset(
    {
        "The above exception was the direct cause of the following exception:",
        "During handling of the above exception, another exception occurred:",
    }
)
_EXCEPTION = re.compile(
    r"(?P<name>[^\W\d]\w{0,99}(?:\.[\w<>]{1,100}){0,20})(?:: (?P<message>.*)|:?$)", re.DOTALL
)
_BOX = re.compile(r" {0,8}╭─{1,200} Traceback \(most recent call last\) ─{1,200}╮")
_FIRST_FRAME = ('  File "', '> File "', "│ ")
_FRAME = (" ", '> File "', "│", "╰")
_LOWER_CASE = ("error", "timeout")  # socket.gaierror, zlib.error, socket.timeout
_MARGIN = re.compile(r"(?P<indent>(?:  ){1,20})(?:\| ?|(?=\+))(?P<rest>.*)", re.DOTALL)
_FIRST_MEMBER = re.compile(r"\+-\+-{16} (?:\d{1,5}|\.\.\.) -{16}")
_MEMBER = re.compile(r"\+-{16} (?:\d{1,5}|\.\.\.) -{16}")
_MEMBERS_END = re.compile(r"\+-{36}")
_RECORD = re.compile(
    r"[\[(<]?(?:\d{4}-\d\d-\d\d[T ]"
    r"|(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|SUCCESS)(?:[\])>]|:|\s|$))|\{\""
)
_DIGITS = str.maketrans("123456789", "000000000")


class _State(Enum):
    START = auto()  # of a member of a group, which may have no frames
    FRAMES = auto()
    MESSAGE = auto()
    BLANK = auto()
    CHAINED = auto()


@dataclass(slots=True)
class _Exception:
    name: str
    lines: list[str]
    frames: Frames = field(default_factory=Frames)
    members: list[list[_Exception]] = field(default_factory=list)

    def link(self) -> Link:
        link = python_link(self.name, "\n".join(self.lines).rstrip()[:MAX_MESSAGE_CHARS])
        return replace(link, **asdict(self.frames))


@dataclass(slots=True)
class _Level:
    """What is printed with one margin: the exceptions of a chain, root first."""

    state: _State
    chain: list[_Exception] = field(default_factory=list)
    frames: Frames = field(default_factory=Frames)


class Tracebacks:
    """Finds the tracebacks among the lines of one life, and calls `on_error` with each.

    A traceback begins with a line that ends in Python's heading, and has a frame in the next line.
    Each line may follow a logger's prefix, or the heading alone. Lines of other loggers in between
    are left out. Without an exception at its end it is no traceback. `torn` counts the
    tracebacks that have lost their head or their end, or have other lines among their frames, so
    that the end may be another's.
    """

    def __init__(self, on_error: Callable[[LogEvent], None]) -> None:
        self._on_error = on_error
        self._open: _Traceback | None = None
        self.torn = 0

    @property
    def is_open(self) -> bool:
        """Whether a traceback has begun and not ended."""
        return self._open is not None

    def feed(self, line: str, at_ns: int) -> bool:
        """Take the next line; whether it belongs to a traceback."""
        if self._open is not None:
            if self._open.take(line):
                if self._open.lines >= MAX_LINES:
                    self.end()
                return True
            if self._open.is_over(line):
                self.end()
        heading = _heading(line)
        if heading is None:
            self.torn += line.startswith('  File "') or line.rstrip() in _CHAINED
            return False
        self.end()
        prefix, is_group = heading
        self._open = _Traceback(prefix, at_ns=at_ns, is_group=is_group)
        return True

    def record(self) -> None:
        """Note that another line of a logger has come: an exception's message is over."""
        if self._open is not None and self._open.is_whole:
            self.end()

    def end(self) -> None:
        """End the open traceback; it is an error if its exception has been printed."""
        found, self._open = self._open, None
        if found is None:
            return
        chain = found.links()
        self.torn += not chain or found.is_interrupted
        if chain:
            self._on_error(error_event(chain, by="python", at_ns=found.at_ns))


class _Traceback:
    def __init__(self, prefix: str, *, at_ns: int, is_group: bool) -> None:
        self.at_ns = at_ns
        self.lines = 0
        self.is_interrupted = False  # among its frames
        self._prefix = prefix
        self._is_group = is_group
        self._is_prefixed: bool | None = None if prefix else False
        self._blanks = 0
        self._exceptions = 0
        self._others = 0
        self._levels = [_Level(_State.FRAMES)]

    @property
    def is_whole(self) -> bool:
        """Whether it may end here."""
        return self._levels[0].state not in {_State.START, _State.FRAMES}

    def is_over(self, line: str) -> bool:
        """Whether the line that was not taken ends it."""
        self._others += 1
        state = self._levels[0].state
        self.is_interrupted |= self.lines > 0 and state is _State.FRAMES
        if self.lines == 0 or state is _State.CHAINED or self._others > MAX_OTHERS:
            return True
        begins = _heading(line) is not None or _RECORD.match(line) is not None
        return begins and state is not _State.FRAMES

    def take(self, line: str) -> bool:
        """Take a line if it belongs to it."""
        text = self._content(line)
        if text is None:
            return False
        level = self._levels[0]
        if text.rstrip() == f"  + {_GROUP}{HEADER}" and level.state is _State.CHAINED:
            self._is_group, level.state = True, _State.FRAMES
        depth, rest = self._margin(text)
        if self.lines == 0 and not rest.startswith(_FIRST_FRAME):
            self._blanks += 1
            return not rest.strip() and self._blanks == 1
        taken = self._step(depth, rest)
        self.lines += taken
        return taken

    def links(self) -> list[Link]:
        """Its exceptions, outermost first, each member of a group after the group."""
        return [found.link() for found in _flat(self._levels[0].chain)]

    def _content(self, line: str) -> str | None:
        """The line without a logger's prefix; None if it has another."""
        width = len(self._prefix)
        own = line[:width].translate(_DIGITS) == self._prefix.translate(_DIGITS)
        if self._is_prefixed is None and line.strip():
            self._is_prefixed = own and line[width:].lstrip(" |").startswith('File "')
        if not self._is_prefixed:
            return line
        if own:
            return line[width:]
        is_blank = line.translate(_DIGITS) == self._prefix.translate(_DIGITS).rstrip()
        return "" if is_blank else None

    def _margin(self, text: str) -> tuple[int, str]:
        """How deep the margin of a group's line is, and what follows it."""
        found = _MARGIN.fullmatch(text) if self._is_group else None
        return (len(found["indent"]) // 2, found["rest"]) if found else (0, text)

    def _step(self, depth: int, rest: str) -> bool:
        if depth and rest.startswith("+"):
            return self._member(depth, rest)
        index = max(0, depth - 1)
        if index >= len(self._levels):
            return True  # deeper than is kept
        del self._levels[index + 1 :]
        return self._chain(self._levels[index], rest)

    def _member(self, depth: int, rest: str) -> bool:
        """Take a line between the members of a group."""
        is_first = _FIRST_MEMBER.fullmatch(rest) is not None
        parent = depth - 1 if is_first else depth - 2
        if is_first or _MEMBER.fullmatch(rest):
            if 0 <= parent < len(self._levels) and self._levels[parent].chain:
                del self._levels[parent + 1 :]
                above = self._levels[parent]
                above.state = _State.BLANK
                if len(self._levels) < MAX_LEVELS:
                    level = _Level(_State.START)
                    above.chain[-1].members.append(level.chain)
                    self._levels.append(level)
            return True
        if _MEMBERS_END.fullmatch(rest):
            del self._levels[max(1, parent + 1) :]
            return True
        return self.lines > 0 and rest == f"+ {_GROUP}{HEADER}"

    def _chain(self, level: _Level, rest: str) -> bool:
        """Take a line of one chain of exceptions."""
        is_heading = rest in {HEADER, _GROUP + HEADER} or _BOX.fullmatch(rest) is not None
        if level.state in {_State.START, _State.CHAINED}:
            if is_heading:
                level.state = _State.FRAMES
                return True
            return not rest.strip() or self._exception(level, rest)
        if level.state is _State.FRAMES:
            is_frame = not rest.strip() or rest.startswith(_FRAME)
            if is_frame:
                level.frames.take(rest)
            return is_frame or (not is_heading and self._exception(level, rest))
        return self._message(level, rest)

    def _message(self, level: _Level, rest: str) -> bool:
        """Take a line after an exception's first: of its message, its notes or its chain."""
        if rest in _CHAINED:
            level.state = _State.CHAINED
        elif not rest.strip():
            self._others = 0
            level.state = _State.BLANK
        elif level.state is _State.BLANK or _RECORD.match(rest) or _heading(rest):
            return False
        elif len(level.chain[-1].lines) < MAX_MESSAGE_LINES:
            level.chain[-1].lines.append(rest[:MAX_MESSAGE_CHARS])
        return True

    def _exception(self, level: _Level, rest: str) -> bool:
        found = None if _RECORD.match(rest) else _EXCEPTION.fullmatch(rest)
        if found is None or not _is_class(found["name"]):
            return False
        level.state = _State.MESSAGE
        self._exceptions += 1
        if self._exceptions <= MAX_EXCEPTIONS or not level.chain:
            level.chain.append(_Exception(found["name"], []))
        else:
            level.chain[-1] = _Exception(found["name"], [])  # the outermost is the last one
        level.chain[-1].lines.append((found["message"] or "")[:MAX_MESSAGE_CHARS])
        level.chain[-1].frames, level.frames = level.frames, Frames()
        return True


def _heading(line: str) -> tuple[str, bool] | None:
    """What stands before a traceback's heading, and whether it is a group's; None for others."""
    line = line.rstrip()
    if _BOX.fullmatch(line):
        return "", False
    if not line.endswith(HEADER):
        return None
    prefix = line.removesuffix(HEADER)
    group = f"  + {_GROUP}"
    is_group = prefix.endswith(group)
    prefix = prefix.removesuffix(group)
    return None if len(prefix) > MAX_PREFIX_CHARS else (prefix, is_group)


def _is_class(name: str) -> bool:
    """Whether an exception is called so: with a capital letter, or a module's `error`."""
    module, _, word = name.rpartition(".")
    return word[0].isupper() or (module != "" and word.endswith(_LOWER_CASE))


def _flat(chain: list[_Exception]) -> Iterator[_Exception]:
    for each in reversed(chain):
        yield each
        for member in each.members:
            yield from _flat(member)
