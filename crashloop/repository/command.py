"""An app's command: the server in it, and the address that crashloop chooses for it."""

from __future__ import annotations

import re
from dataclasses import dataclass

LAUNCHERS = ("uv", "poetry", "pipenv", "pdm", "hatch", "rye")
"""Programs that run another one in the project's virtual environment: `uv run uvicorn`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options by which a server takes its address, each with its spellings.

    `bind` takes host and port as one word. `dropped` are options that listen somewhere else;
    `switches` are those without a value that a run must not have.
    """

    host: tuple[str, ...] = ()
    port: tuple[str, ...] = ()
    bind: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()


SERVERS = {
    "uvicorn": Options(
        host=("--host",), port=("--port",), dropped=("--uds", "--fd"), switches=("--reload",)
    ),
    "gunicorn": Options(bind=("-b", "--bind"), switches=("--reload", "-D", "--daemon")),
    "hypercorn": Options(bind=("-b", "--bind"), switches=("--reload",)),
    "granian": Options(host=("--host",), port=("--port",), switches=("--reload",)),
    "daphne": Options(host=("-b", "--bind"), port=("-p", "--port"), dropped=("-u",)),
    "fastapi": Options(host=("--host",), port=("--port",), switches=("--reload",)),
    "flask": Options(
        host=("-h", "--host"), port=("-p", "--port"), switches=("--reload", "--debug")
    ),
    "waitress-serve": Options(host=("--host",), port=("--port",), dropped=("--listen",)),
}
_MODULES = {"waitress": "waitress-serve"}
_TARGET = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)(\(.*\))?")
_SCRIPT = re.compile(r"[\w./-]+\.(?:py|js|mjs|cjs)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Words of a command, each a template; `server` is "" where no known server is started."""

    words: tuple[str, ...]
    server: str = ""

    @property
    def module(self) -> str:
        """The module that the server imports: `main` of `main:app`; "" if none is named."""
        found = (_TARGET.fullmatch(word) for word in self.words)
        return next((match[1] for match in found if match), "") if self.server else ""

    @property
    def script(self) -> str:
        """The file that the command runs, such as `server.js`; "" if none is named."""
        scripts = (word for word in self.words[1:] if _SCRIPT.fullmatch(word))
        return next(scripts, "").removeprefix("./")

    @property
    def knows_its_port(self) -> bool:
        """Whether the port that crashloop chooses is in the command."""
        return any("{port}" in word for word in self.words)


def listening(words: tuple[str, ...], *, has_venv: bool) -> Command:
    """The command with its server's address replaced by `{host}` and `{port}`."""
    words = _without_launcher(words) if has_venv else words
    words = _without_path(words)
    start, server = _server(words)
    if server:
        options = SERVERS[server]
        rest = _with_address(words[start:], options)
        return Command(words=(*words[:start], *rest), server=server)
    if "runserver" in words and any(word.endswith("manage.py") for word in words):
        kept = [word for word in words if not re.fullmatch(r"(\[?[\w.:]+\]?:)?\d+", word)]
        return Command(words=(*kept, "{host}:{port}", "--noreload"), server="django")
    return Command(words=words)


def _without_launcher(words: tuple[str, ...]) -> tuple[str, ...]:
    if len(words) < 3 or words[0] not in LAUNCHERS or words[1] != "run":  # noqa: PLR2004  uv run X
        return words
    rest = words[2:]
    while rest and rest[0].startswith("-"):
        rest = rest[1:]
    return rest or words


def _without_path(words: tuple[str, ...]) -> tuple[str, ...]:
    """The program by its name alone: its path is that of another machine."""
    return (words[0].rpartition("/")[2], *words[1:]) if words and words[0][:1] == "/" else words


def _server(words: tuple[str, ...]) -> tuple[int, str]:
    """Where the arguments of a known server begin, and its name."""
    for number, word in enumerate(words):
        name = word.rpartition("/")[2]
        if number and words[number - 1] != "-m" and words[number - 1] != "run":
            continue
        name = _MODULES.get(name, name) if number else name
        if name in SERVERS:
            return number + 1, name
    return 0, ""


def _with_address(words: tuple[str, ...], options: Options) -> list[str]:
    asked = [
        (options.host, "{host}"),
        (options.port, "{port}"),
        (options.bind, "{host}:{port}"),
    ]
    values = {name: value for names, value in asked for name in names}
    kept: list[str] = []
    seen: set[str] = set()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, _ = word.partition("=")
        if name in options.switches:
            continue
        if name in values or name in options.dropped:
            if not equals and rest:
                rest.pop(0)
            value = values.get(name)
            if value is not None and value not in seen:
                kept += [name, value]
                seen.add(value)
            continue
        kept.append(word)
    for names, value in asked:
        if names and value not in seen:
            kept += [names[-1], value]
    return kept
