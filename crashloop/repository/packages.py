"""The packages that a project declares."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

from crashloop.repository.place import Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]{0,99})(?:\[([^\]]{0,200})\])?")


def read_requirements(text: str, file: str) -> Iterator[tuple[str, Place]]:
    """The packages of a requirements file, extras included as `name[extra]`."""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.lstrip().startswith(("#", "-")):
            for name in _names(line):
                yield name, Place(file=file, line=number)


def read_pyproject(text: str, file: str) -> tuple[str, dict[str, Place]]:
    """The project's name, and its packages; both empty where it cannot be read."""
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError):  # also a number of thousands of digits
        return "", {}
    project, poetry = _table(data, "project"), _table(data, "tool", "poetry")
    name = project.get("name", poetry.get("name"))
    packages = {}
    for requirement in _requirements(data, project, poetry):
        for package in _names(requirement):
            found = text.find(requirement.split("[")[0])
            line = text.count("\n", 0, max(found, 0)) + 1
            packages[package] = Place(file=file, line=line)
    return name if isinstance(name, str) else "", packages


def read_package_json(text: str, file: str) -> tuple[str, str, dict[str, Place]]:
    """The project's name, its start command, and its packages; empty where it cannot be read."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return "", "", {}
    if not isinstance(data, dict):
        return "", "", {}
    start = _table(data, "scripts").get("start")
    if not isinstance(start, str):
        main = data.get("main")
        start = f"node {main}" if isinstance(main, str) and main else ""
    packages = {each: _line_of(f'"{each}"', text, file) for each in _table(data, "dependencies")}
    name = data.get("name")
    return name if isinstance(name, str) else "", start, packages


def _requirements(
    data: dict[str, Any], project: dict[str, Any], poetry: dict[str, Any]
) -> Iterator[str]:
    lists = [project.get("dependencies")]
    lists += [*_table(project, "optional-dependencies").values()]
    lists += [*_table(data, "dependency-groups").values()]
    for each in lists:
        if isinstance(each, list):
            yield from (one for one in each if isinstance(one, str))
    for name, how in _table(poetry, "dependencies").items():
        extras = how.get("extras") if isinstance(how, dict) else None
        words = [one for one in extras if isinstance(one, str)] if isinstance(extras, list) else []
        yield f"{name}[{','.join(words)}]" if words else name


def _names(requirement: str) -> Iterator[str]:
    match = _NAME.match(requirement)
    if match:
        name = re.sub(r"[-_.]+", "-", match[1]).lower()
        yield name
        for extra in (match[2] or "").split(","):
            if extra.strip():
                yield f"{name}[{extra.strip().lower()}]"


def _table(data: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    found: Any = data
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _line_of(word: str, text: str, file: str) -> Place:
    return Place(file=file, line=text.count("\n", 0, max(text.find(word), 0)) + 1)
