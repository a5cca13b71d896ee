"""All that an app's entry needs, as far as its repository says it."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crashloop.repository.environment import find_environment
from crashloop.repository.note import Note
from crashloop.repository.route import journey_route, ready_route
from crashloop.repository.sources import read_sources
from crashloop.repository.start import find_start, service_dockerfile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.repository.compose import Compose, ComposeService
    from crashloop.repository.environment import Environment
    from crashloop.repository.route import Route
    from crashloop.repository.sources import Sources
    from crashloop.repository.start import Start
    from crashloop.repository.tree import Tree

_DRIVERS = {
    "Postgres": ("asyncpg", "psycopg", "psycopg2", "psycopg2-binary", "pg8000", "pg"),
    "Redis": ("redis", "aioredis", "ioredis"),
}
_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the entry says; `build` and `image` are for Docker, where no command was found."""

    name: str
    start: Start
    environment: Environment
    venv: str = ""
    build: str = ""
    image: str = ""
    ready: Route | None = None
    journey: Route | None = None
    notes: tuple[Note, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing says how the app is started."""
        return self.start.command is None and not self.build and not self.image


def find(tree: Tree, name: str = "") -> Findings:
    """Read the repository; `name` is the app's, or that of a service of the compose file."""
    sources = read_sources(tree)
    compose = next(iter(sources.compose.values()), None)
    service = _service(compose, name)
    start = find_start(sources, service)
    sources.narrow(start.file, start.cwd)
    environment = find_environment(sources, service, compose)
    routes = list(sources.routes)
    ready = ready_route(routes)
    build = _build(sources, service) if start.command is None else ""
    return Findings(
        name=name or _name(sources, service),
        start=start,
        environment=environment,
        venv=tree.venv(start.cwd) if sources.python and start.command else "",
        build=build,
        image=service.image if service and start.command is None and not build else "",
        ready=ready if ready and ready.is_whole else None,
        journey=journey_route(routes),
        notes=(
            *_of_start(start, environment, sources, service),
            *_of_ready(start, ready),
            *environment.notes,
            *_of_dependencies(sources, environment),
            *_of_compose(compose, service),
            *_of_files(sources),
        ),
    )


def _service(compose: Compose | None, name: str) -> ComposeService | None:
    """The service of this name, else the first that is built here, else the first app."""
    services = [each for each in compose.services if not each.is_a_server] if compose else []
    named = [each for each in services if each.name == name]
    built = [each for each in services if each.build]
    return next(iter(named or built or services), None)


def _name(sources: Sources, service: ComposeService | None) -> str:
    given = [*sources.names, service.name if service else "", sources.tree.name]
    for name in given:
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:_LONGEST_NAME]
        if plain:
            return plain
    return "app"


def _build(sources: Sources, service: ComposeService | None) -> str:
    if service is not None and service.build:
        folder = posixpath.dirname(service.place.file)
        return posixpath.normpath(posixpath.join(folder, service.build))
    path = service_dockerfile(sources, service)
    return (posixpath.dirname(path) or ".") if path and not service else ""


def _of_start(
    start: Start, environment: Environment, sources: Sources, service: ComposeService | None
) -> Iterator[Note]:
    for each in start.unclear:
        yield Note(says=each)
    if start.command is None:
        usual = "uvicorn main:app --host {host} --port {port}"
        yield Note(says=f'no command was found; an example: command = "{usual}"')
    elif not start.command.knows_its_port and not _takes_port(environment):
        path = service_dockerfile(sources, service)
        ports = ", ".join(sources.dockerfiles[path].ports) if path else ""
        instead = f", not on {ports}" if ports else ""
        says = f"the app must listen on {{port}}{instead}: give it in command or env"
        yield Note(says=says, place=start.place)
    if sources.python and not sources.tree.venvs:
        yield Note(
            says="no virtual environment was found: venv names its folder; without it, the command "
            "runs with what your PATH has"
        )


def _of_ready(start: Start, ready: Route | None) -> Iterator[Note]:
    if ready is not None and not ready.is_whole:
        says = f'a prefix may come before the path: ready = "GET {ready.path}"'
        yield Note(says=says, place=ready.place)
    elif ready is None and start.command is not None and start.command.server == "gunicorn":
        yield Note(
            says="gunicorn opens its port before a worker has started: name a path that answers "
            'only when the app is ready, as in ready = "GET /health"'
        )
    elif ready is None:
        yield Note(
            says="no route for readiness was found, so an open port counts as ready; "
            'if there is one: ready = "GET /health"'
        )


def _takes_port(environment: Environment) -> bool:
    return any("{port}" in each.template for each in environment.settings)


def _of_dependencies(sources: Sources, environment: Environment) -> Iterator[Note]:
    for title, packages in _DRIVERS.items():
        place = sources.has(*packages)
        name = title.lower()
        if place is not None and not environment.uses(name):
            yield Note(
                says=f"a client of {title} is used, and no variable has its address: crashloop "
                f"changes the address with each run, so the app must take {{{name}.url}} "
                "from env or command",
                place=place,
            )


def _of_compose(compose: Compose | None, service: ComposeService | None) -> Iterator[Note]:
    if compose is None:
        return
    if compose.unreadable:
        yield Note(says=compose.unreadable)
    if service is None:
        return
    if service.ignored:
        yield Note(
            says=f"ignored keys of the service {service.name}: {', '.join(service.ignored)}",
            place=service.place,
        )
    others = [each.name for each in compose.services if each is not service and each.build]
    if others:
        yield Note(
            says=f"other services: {', '.join(others)}; crashloop init NAME reads one of them",
            place=service.place,
        )


def _of_files(sources: Sources) -> Iterator[Note]:
    for path in sources.unreadable:
        yield Note(says=f"{path}: Python cannot parse it")
    for skipped in sources.tree.skipped:
        yield Note(says=f"not read: {skipped}")
