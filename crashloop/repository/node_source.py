"""A JavaScript or TypeScript file: the variables and routes in it, found by their usual forms."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.repository.place import Place
from crashloop.repository.route import Route
from crashloop.repository.variable import Variable

if TYPE_CHECKING:
    from collections.abc import Iterator

_LITERAL = r"""(?:"([^"\\\n]{0,300})"|'([^'\\\n]{0,300})'|(\d{1,15}))"""
_READ = re.compile(
    r"(?:process\.env|(?<![\w.])env)(?:\.([A-Za-z_]\w{0,99})|\[\s{0,9}[\"']([A-Za-z_]\w{0,99})[\"']\s{0,9}\])"
    rf"(?:\s{{0,9}}(?:\|\||\?\?)\s{{0,9}}{_LITERAL})?"
)
_UNPACKED = re.compile(r"\{([^{}]{1,2000})\}\s{0,9}=\s{0,9}process\.env\b")
_ALIAS = re.compile(
    r"\benv\s{0,9}=\s{0,9}process\.env\b|\{\s{0,9}env\s{0,9}\}\s{0,9}=\s{0,9}process\b"
)
_ROUTE = re.compile(r"\b\w{1,50}\.(get|post|put|patch|delete)\(\s{0,9}[\"'`](/[^\"'`\n]{0,300})")
_METHOD = re.compile(r"\bmethod\s{0,9}={2,3}\s{0,9}[\"'](GET|POST|PUT)[\"']")
_URL = re.compile(r"\b(?:url|path|pathname)\s{0,9}={2,3}\s{0,9}[\"'`](/[^\"'`\n]{0,300})[\"'`]")
_IMPORT = re.compile(r"(?:\bfrom|\brequire\(|\bimport)\s{0,9}[\"']([^\"'\n]{1,200})[\"']")
_COMMENT = re.compile(r"^\s*(?://|\*|/\*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSource:
    """What was found in a file; `imports` are names of packages."""

    variables: tuple[Variable, ...]
    routes: tuple[Route, ...]
    imports: dict[str, Place]


def read_node(text: str, file: str) -> NodeSource:
    """The variables, routes and imported packages of the file."""
    lines = [
        ("" if _COMMENT.match(line) else line, Place(file=file, line=number))
        for number, line in enumerate(text.splitlines(), start=1)
    ]
    has_alias = any(_ALIAS.search(line) for line, _ in lines)
    return NodeSource(
        variables=tuple(
            each for line, place in lines for each in _variables(line, place, has_alias=has_alias)
        ),
        routes=tuple(each for line, place in lines for each in _routes(line, place)),
        imports={
            match[1]: place
            for line, place in reversed(lines)
            for match in _IMPORT.finditer(line)
            if not match[1].startswith(".")
        },
    )


def _variables(line: str, place: Place, *, has_alias: bool) -> Iterator[Variable]:
    for match in _READ.finditer(line):
        if not has_alias and not match[0].startswith("process"):
            continue
        default = next((each for each in match.groups()[2:] if each is not None), None)
        yield Variable(name=match[1] or match[2], place=place, default=default)
    for match in _UNPACKED.finditer(line):
        for part in match[1].split(","):
            name = re.split(r"[:=]", part, maxsplit=1)[0].strip()
            if re.fullmatch(r"[A-Za-z_]\w{0,99}", name):
                yield Variable(name=name, place=place)


def _routes(line: str, place: Place) -> Iterator[Route]:
    for match in _ROUTE.finditer(line):
        yield Route(method=match[1].upper(), path=match[2], place=place)
    method = _METHOD.search(line)
    for match in _URL.finditer(line):
        yield Route(method=method[1] if method else "GET", path=match[1], place=place)
