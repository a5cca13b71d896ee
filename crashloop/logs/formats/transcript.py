"""Several logs in one file, with the commands typed between them, as somebody on call keeps them.

Each command's output is read by the format that the command prints, or by recognition.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from crashloop.logs.formats.command import Command, command
from crashloop.logs.formats.kubectl_events import HEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from crashloop.logs.entry import Entry, Line

    Read = Callable[[Iterable[Line], str | None], Iterator[Entry]]

DESCRIBE, EVENTS = "kubectl-describe", "kubectl-events"
_POD = re.compile(r"Name: {4,}\S+\s*")
_OF_DESCRIPTION = re.compile(r"(?:[A-Z][\w ()-]{0,40}:.*|\s.*|)")


@dataclass(slots=True)
class _Section:
    """The lines after one command, or of a description that begins without one."""

    typed: Command = field(default_factory=Command)
    format_name: str = ""
    lines: list[Line] = field(default_factory=list)

    def goes_on(self, text: str) -> bool:
        """Whether a line can belong to it, as far as what was typed does not say."""
        return self.typed.words != () or (
            self.format_name != DESCRIBE or _OF_DESCRIPTION.fullmatch(text) is not None
        )


class Transcript:
    """Reads sections by their commands, and names a pod's logs as its description does.

    `read` reads the lines of one section, in the format of a name or, without one, by recognition.
    """

    name = "transcript"
    what = "several of these in one file, with the commands typed between them"

    def __init__(self, read: Read) -> None:
        self._read = read

    def fits(self, head: Sequence[str]) -> float:
        """Surely with a command, or with a description of a pod after other lines."""
        if any(command(text) is not None for text in head):
            return 1.0
        return 0.96 if any(_POD.fullmatch(text) for text in head[1:]) else 0.0

    def entries(self, lines: Iterable[Line]) -> Iterator[Entry]:
        """The logs of earlier lives first, then what is said of the pods, then the current logs."""
        sections = list(_sections(lines))
        told = [entry for each in sections if each.format_name for entry in self._told(each)]
        known = {entry.source for entry in told}
        logs = [each for each in sections if not each.format_name]
        for each in logs:
            if each.typed.is_previous:
                yield from self._log(each, known)
        yield from told
        for each in logs:
            if not each.typed.is_previous:
                yield from self._log(each, known)

    def _told(self, section: _Section) -> Iterator[Entry]:
        """What a description or a list of events says, of the pod that the command names."""
        namespace, pod, _ = section.typed.target
        for entry in self._read(section.lines, section.format_name):
            parts = entry.source.split("/") if entry.source else []
            if section.format_name == DESCRIBE and len(parts) < 2:  # noqa: PLR2004  no Name: line
                parts = [pod, *parts]
            yield replace(entry, source="/".join(_whole(namespace, parts)))

    def _log(self, section: _Section, known: set[str]) -> Iterator[Entry]:
        namespace, pod, container = section.typed.target
        one = section.typed.container_name or _known([namespace, pod, container], known)
        for entry in self._read(section.lines, None):
            parts = entry.source.split("/")
            if len(parts) > 1:  # a pod and its container, by their prefix
                yield replace(entry, source=_known([namespace, *parts], known))
            else:
                yield replace(entry, source=entry.source or one)


def _sections(lines: Iterable[Line]) -> Iterator[_Section]:
    section = _Section()
    is_typing = False  # a command that goes on in the next line
    prompts: set[str] = set()
    for line in lines:
        typed = None if is_typing else command(line.text)
        if typed is not None:
            prompts.add(typed.prompt)
            yield section
            section = _Section(typed, typed.format_name)
        elif not is_typing and line.text.startswith(tuple(prompts)):
            yield section
            section = _Section()
        elif not is_typing:
            begins = _begun_by(line.text) if section.typed.format_name == "" else ""
            if begins or not section.goes_on(line.text):
                yield section
                section = _Section(format_name=begins)
            section.lines.append(line)
        is_typing = (is_typing or typed is not None) and line.text.rstrip().endswith("\\")
    yield section


def _begun_by(text: str) -> str:
    """The format that begins with a line without a command; "" for any other line."""
    if _POD.fullmatch(text):
        return DESCRIBE
    return EVENTS if HEADER.fullmatch(text.rstrip()) else ""


def _whole(namespace: str, parts: Sequence[str]) -> list[str]:
    """Namespace, pod and container, as far as they are said."""
    head = [] if parts and parts[0] == namespace else [namespace]
    return [part for part in (*head, *parts) if part]


def _known(parts: Sequence[str], known: set[str]) -> str:
    """The one described container that these parts can be; else themselves."""
    said = [part for part in parts if part]
    fitting = {each for each in known if said and all(p in each.split("/") for p in said)}
    whole = [each for each in fitting if not any(o.startswith(f"{each}/") for o in fitting)]
    return whole[0] if len(whole) == 1 else "/".join(said)
