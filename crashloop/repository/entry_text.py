"""The text of an app's entry, with comments that say where each line is from."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from typing import TYPE_CHECKING

from crashloop.model import AppUnderTest
from crashloop.repository.route import request_path
from crashloop.repository.shell import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.repository.environment import Environment
    from crashloop.repository.findings import Findings

INHERITED = AppUnderTest(name="", command=()).inherit_env
"""What an app inherits if its entry names nothing."""

_WIDEST = 100
_MAX_NOTES = 40
_MAX_NOTE_CHARS = 400
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def entry_text(findings: Findings) -> str:
    """The entry as TOML, which can be loaded unless nothing was found."""
    return "\n".join([*_entry(findings), *_comments(findings)]) + "\n"


def toml_string(text: str) -> str:
    """The text as a basic string of TOML, all on one line and harmless in a terminal."""
    parts = []
    for character in text:
        if character in {'"', "\\"}:
            parts.append(f"\\{character}")
        elif unicodedata.category(character) == "Cs":  # half of a pair: TOML has no such text
            parts.append("\ufffd")
        elif unicodedata.category(character).startswith("C") or character in "\u2028\u2029":
            code = ord(character)
            parts.append(f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}")  # noqa: PLR2004
        else:
            parts.append(character)
    return f'"{"".join(parts)}"'


def comment(text: str) -> str:
    """The text as it may stand in a comment: one line without control characters."""
    flat = " ".join(text[:_MAX_NOTE_CHARS].split())
    return "".join(
        "\ufffd" if unicodedata.category(each).startswith("C") else each for each in flat
    )


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else toml_string(name)


def _entry(findings: Findings) -> Iterator[str]:
    table = f"apps.{_key(findings.name)}"
    start = findings.start
    yield "# Written by `crashloop init`; correct what is wrong, then type:"
    yield f"# crashloop check {comment(findings.name)}"
    yield f"[{table}]"
    if start.command is not None:
        yield _line("command", toml_string(quoted(start.command.words)), start.place)
    elif findings.build:
        yield _line("build", toml_string(findings.build), "on Docker")
    elif findings.image:
        yield _line("image", toml_string(findings.image), "on Docker")
    if start.cwd:
        yield _line("cwd", toml_string(start.cwd))
    if findings.venv:
        yield _line("venv", toml_string(findings.venv))
    if start.setup:
        yield _line("setup", toml_string(quoted(start.setup)), "before the first start")
    if findings.ready is not None:
        ready = toml_string(f"GET {findings.ready.path}")
        yield _line("ready", ready, findings.ready.place)
    yield from _environment(findings.environment, table)


def _environment(environment: Environment, table: str) -> Iterator[str]:
    if environment.uses("redis") and not environment.uses("postgres"):
        yield 'dependencies = ["redis"]'
    if environment.inherited:
        names = ", ".join(toml_string(each.name) for each in environment.inherited)
        usual = ", ".join(toml_string(name) for name in INHERITED)
        yield "# Secrets come from your shell; their values are never written."
        yield f"inherit_env = [{usual}, {names}]"
        yield f"secrets = [{names}]"
    for service in environment.services:
        upstream = f"{{upstream = {toml_string(service.upstream)}}}"
        yield _line(f"services.{service.name}", upstream, service.place)
    if environment.settings:
        yield f"[{table}.env]"
        for each in environment.settings:
            yield _line(_key(each.name), toml_string(each.template), each.place)


def _line(key: str, value: str, says: object = "") -> str:
    said = comment(str(says)) if says else ""
    return f"{key} = {value} # {said}" if said else f"{key} = {value}"


def _comments(findings: Findings) -> Iterator[str]:
    if findings.notes:
        yield "# What was not found or not understood:"
    for note in findings.notes[:_MAX_NOTES]:
        yield from textwrap.wrap(
            comment(str(note)),
            _WIDEST,
            initial_indent="# - ",
            subsequent_indent="#   ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    if len(findings.notes) > _MAX_NOTES:
        yield f"# - and {len(findings.notes) - _MAX_NOTES} more"
    yield "# What a user does, so that a run can tell that the app works; change it and use it:"
    table = f"[[apps.{_key(findings.name)}.journey]]"
    route = findings.journey
    request = f"{route.method} {request_path(route)}" if route else "GET /"
    yield f"# {table}"
    found = f" # {comment(str(route.place))}" if route else ""
    yield f"# request = {toml_string(request)}{found}"
