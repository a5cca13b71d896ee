"""A Dockerfile: the command and the variables of its last stage."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crashloop.repository.place import Place
from crashloop.repository.shell import CommandLine, read_line, read_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MAX_STAGES = 50
_FROM = re.compile(r"(?:--\S+\s+)*(\S+)(?:\s+as\s+(\S+))?\s*", re.IGNORECASE)


@dataclass(slots=True, kw_only=True)
class _Stage:
    name: str = ""
    base: str = ""
    entrypoint: tuple[str, Place] | None = None
    cmd: tuple[str, Place] | None = None
    env: dict[str, tuple[str, Place]] = field(default_factory=dict)
    workdir: str = ""
    ports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dockerfile:
    """What the last stage starts. `place` is that of the command; None if there is none."""

    command: CommandLine
    place: Place | None
    env: Mapping[str, tuple[str, Place]]
    workdir: str = ""
    ports: tuple[str, ...] = ()


def read_dockerfile(text: str, file: str) -> Dockerfile:
    """The last stage, with what it has from the stages it is built on.

    ENTRYPOINT and CMD are joined as Docker joins them. Nothing is expanded but variables of ENV.
    """
    stages: list[_Stage] = []
    for word, rest, line in _instructions(text):
        place = Place(file=file, line=line)
        if word == "FROM" and (match := _FROM.fullmatch(rest)):
            if len(stages) == _MAX_STAGES:
                break
            stages.append(_based_on(match[1], match[2] or "", stages))
        elif stages:
            _take(stages[-1], word, rest, place)
    stage = stages[-1] if stages else _Stage()
    starts = stage.cmd or stage.entrypoint
    if stage.entrypoint and _exec_form(stage.entrypoint[0]) is None:
        starts = stage.entrypoint
    return Dockerfile(
        command=_command(stage),
        place=starts[1] if starts else None,
        env=stage.env,
        workdir=stage.workdir,
        ports=stage.ports,
    )


def _based_on(base: str, name: str, stages: list[_Stage]) -> _Stage:
    for stage in stages:
        if stage.name and stage.name == base.lower():
            return _Stage(
                name=name.lower(),
                base=base,
                entrypoint=stage.entrypoint,
                cmd=stage.cmd,
                env=dict(stage.env),
                workdir=stage.workdir,
                ports=stage.ports,
            )
    return _Stage(name=name.lower(), base=base)


def _take(stage: _Stage, word: str, rest: str, place: Place) -> None:
    if word == "CMD":
        stage.cmd = (rest, place)
    elif word == "ENTRYPOINT":
        stage.entrypoint, stage.cmd = (rest, place), None
    elif word == "ENV":
        stage.env |= {name: (value, place) for name, value in _pairs(rest)}
    elif word == "WORKDIR":
        stage.workdir = rest
    elif word == "EXPOSE":
        stage.ports += tuple(port.partition("/")[0] for port in rest.split())


def _instructions(text: str) -> Iterator[tuple[str, str, int]]:
    """Each instruction in capitals, what follows it, and its line."""
    pending, begins_at = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("#") or (not stripped and not pending):
            continue
        begins_at = begins_at if pending else number
        pending += stripped.removesuffix("\\")
        if stripped.endswith("\\"):
            pending += " "
            continue
        word, _, rest = pending.strip().partition(" ")
        yield word.upper(), rest.strip(), begins_at
        pending = ""
    if pending.strip():
        word, _, rest = pending.strip().partition(" ")
        yield word.upper(), rest.strip(), begins_at


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """The variables of ENV: `A=1 B="2"`, or the old form `A value`."""
    name, _, value = text.partition(" ")
    if "=" not in name:
        if name:
            yield name, value.strip()
        return
    try:
        words = shlex.split(text)
    except ValueError:
        return
    for word in words:
        name, equals, value = word.partition("=")
        if equals:
            yield name, value


def _exec_form(text: str) -> list[str] | None:
    """The words of the JSON form; None if the text is a shell's line."""
    if not text.startswith("["):
        return None
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_list = isinstance(words, list) and all(isinstance(word, str) for word in words)
    return words if is_list else None


def _command(stage: _Stage) -> CommandLine:
    variables = {name: value for name, (value, _) in stage.env.items() if "$" not in value}
    if stage.entrypoint is None:
        return _read(stage.cmd[0], variables) if stage.cmd else CommandLine()
    entry = _exec_form(stage.entrypoint[0])
    if entry is None or stage.cmd is None:
        return _read(stage.entrypoint[0], variables)
    cmd = _exec_form(stage.cmd[0])
    if cmd is None:
        cmd = ["/bin/sh", "-c", stage.cmd[0]]
    if len(entry) == 1 and entry[0].endswith(".sh"):  # by custom, it runs what CMD says
        return read_words(cmd, variables)
    return read_words([*entry, *cmd], variables)


def _read(text: str, variables: Mapping[str, str]) -> CommandLine:
    words = _exec_form(text)
    return read_line(text, variables) if words is None else read_words(words, variables)
