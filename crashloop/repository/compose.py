"""A compose file: its services, as far as an app's entry can say the same."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from crashloop.repository.place import Place
from crashloop.repository.shell import CommandLine, read_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEYS = ("image", "build", "command", "environment", "env_file", "working_dir")
"""The keys of a service that are read; every other one is named as ignored."""

_MAX_SERVICES = 100
_MAX_VARIABLES = 500
_DOLLAR = re.compile(r"\$\$")
_SERVERS = re.compile(r"(?:^|/)(postgres|postgis|redis|valkey|timescaledb|pgvector)(?:[-:@/]|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeService:
    """One service. `environment` has None for a value that is not in the file.

    `build` is the context's folder, `dockerfile` the file in it.
    """

    name: str
    place: Place
    image: str = ""
    build: str = ""
    dockerfile: str = ""
    command: CommandLine = field(default_factory=CommandLine)
    environment: Mapping[str, str | None] = field(default_factory=dict)
    env_files: tuple[str, ...] = ()
    working_dir: str = ""
    ignored: tuple[str, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)

    @property
    def is_a_server(self) -> bool:
        """Whether it is a database or cache that crashloop starts itself."""
        return not self.build and bool(_SERVERS.search(self.image))

    def at(self, key: str) -> Place:
        """The place of one of its keys, or of the service."""
        return self.places.get(key, self.place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compose:
    """The services of a compose file; `unreadable` says why there are none."""

    services: tuple[ComposeService, ...] = ()
    unreadable: str = ""


def read_compose(text: str, file: str) -> Compose:
    """The services of the file, in its order."""
    try:
        data = yaml.safe_load(text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, AttributeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = Place(file=file, line=mark.line + 1 if mark else 1)
        return Compose(unreadable=f"{where}: this is not YAML: {type(error).__name__}")
    services = data.get("services") if isinstance(data, dict) else None
    if not isinstance(services, dict):
        return Compose(unreadable=f"{Place(file=file)}: it has no services")
    nodes = _children(_children(root).get("services"))
    return Compose(
        services=tuple(
            _service(name, given, nodes.get(name), file)
            for name, given in list(services.items())[:_MAX_SERVICES]
            if isinstance(name, str) and isinstance(given, dict)
        )
    )


def _service(name: str, given: dict[Any, Any], node: yaml.Node | None, file: str) -> ComposeService:
    children = _children(node)
    place = Place(file=file, line=_line(node))
    build, dockerfile = _build(given.get("build"))
    return ComposeService(
        name=name,
        place=place,
        image=_text(given.get("image")) or "",
        build=build,
        dockerfile=dockerfile,
        command=_command(given.get("command")),
        environment=dict(_environment(given.get("environment"))),
        env_files=tuple(_env_files(given.get("env_file"))),
        working_dir=_text(given.get("working_dir")) or "",
        ignored=tuple(key for key in given if isinstance(key, str) and key not in KEYS),
        places={key: Place(file=file, line=_line(each)) for key, each in children.items()},
    )


def _children(node: yaml.Node | None) -> dict[str, yaml.Node]:
    """The values of a mapping's keys; each begins on the line of its key, or the next."""
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}


def _line(node: yaml.Node | None) -> int:
    return node.start_mark.line + 1 if node is not None else 1


def _text(value: object) -> str | None:
    """A scalar as compose passes it on; None for anything else."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    return None


def _build(given: object) -> tuple[str, str]:
    if isinstance(given, dict):
        return _text(given.get("context")) or ".", _text(given.get("dockerfile")) or ""
    return _text(given) or "", ""


def _command(given: object) -> CommandLine:
    if isinstance(given, str):
        # Compose splits without a shell, after its own interpolation.
        return read_line(_DOLLAR.sub("$", given), {})
    if isinstance(given, list) and all(isinstance(word, str | int | float) for word in given):
        return read_line(shlex.join(_DOLLAR.sub("$", str(word)) for word in given), {})
    return CommandLine()


def _environment(given: object) -> Iterator[tuple[str, str | None]]:
    if isinstance(given, dict):
        for name, value in list(given.items())[:_MAX_VARIABLES]:
            if isinstance(name, str):
                yield name, _text(value)
    elif isinstance(given, list):
        for word in given[:_MAX_VARIABLES]:
            if isinstance(word, str):
                name, equals, value = word.partition("=")
                yield name, value if equals else None


def _env_files(given: object) -> Iterator[str]:
    for each in given if isinstance(given, list) else [given]:
        path = each.get("path") if isinstance(each, dict) else each
        if isinstance(path, str):
            yield path
