"""Everything that was read from a repository's files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crashloop.repository import packages
from crashloop.repository.compose import read_compose
from crashloop.repository.dockerfile import read_dockerfile
from crashloop.repository.node_source import read_node
from crashloop.repository.place import Place
from crashloop.repository.procfile import read_procfile
from crashloop.repository.python_source import read_python
from crashloop.repository.route import Route

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crashloop.repository.compose import Compose
    from crashloop.repository.dockerfile import Dockerfile
    from crashloop.repository.node_source import NodeSource
    from crashloop.repository.python_source import PythonSource
    from crashloop.repository.tree import Tree
    from crashloop.repository.variable import Variable


@dataclass(slots=True, kw_only=True)
class Sources:
    """What each file has, by its path; `packages` are those that are declared or imported."""

    tree: Tree
    python: dict[str, PythonSource] = field(default_factory=dict)
    node: dict[str, NodeSource] = field(default_factory=dict)
    dockerfiles: dict[str, Dockerfile] = field(default_factory=dict)
    compose: dict[str, Compose] = field(default_factory=dict)
    procfiles: dict[str, Mapping[str, tuple[str, Place]]] = field(default_factory=dict)
    starts: dict[str, tuple[str, Place]] = field(default_factory=dict)
    packages: dict[str, Place] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def narrow(self, file: str, root: str) -> None:
        """Leave out the Python files that the app does not import, from `file` and below `root`.

        Django imports what its settings name, so that all its files stay.
        """
        if self.has("django") or file not in self.python:
            return
        reached = {file}
        waiting = [file]
        for each in waiting:
            for path in self._imported(each, root):
                if path not in reached:
                    reached.add(path)
                    waiting.append(path)
        self.python = {path: each for path, each in self.python.items() if path in reached}

    def _imported(self, file: str, root: str) -> Iterator[str]:
        start = f"{root}/" if root else ""
        for module in self.python[file].modules:
            path = module.lstrip("/") if module.startswith("/") else f"{start}{module}"
            parts = path.split("/")
            for number in range(1, len(parts) + 1):  # a package's own file runs first
                yield from self._files("/".join(parts[:number]))

    def _files(self, path: str) -> Iterator[str]:
        yield from (each for each in (f"{path}.py", f"{path}/__init__.py") if each in self.python)

    @property
    def variables(self) -> Iterator[Variable]:
        """The variables that the code reads."""
        for python in self.python.values():
            yield from python.variables
        for node in self.node.values():
            yield from node.variables

    @property
    def routes(self) -> Iterator[Route]:
        """The routes of the code; a router's are not whole if any file may prefix them."""
        prefixed = any(each.has_prefixes for each in self.python.values())
        for python in self.python.values():
            for route in python.routes:
                yield Route(
                    method=route.method,
                    path=route.path,
                    place=route.place,
                    is_whole=route.is_whole or not prefixed,
                )
        for node in self.node.values():
            yield from node.routes

    def has(self, *names: str) -> Place | None:
        """Where one of these packages is declared or imported; None if none is."""
        return next((self.packages[name] for name in names if name in self.packages), None)


def read_sources(tree: Tree) -> Sources:
    """Read each text of the tree as what its name says it is."""
    sources = Sources(tree=tree)
    for path, text in tree.texts.items():
        name = path.rpartition("/")[2]
        if name.endswith(".py"):
            _python(sources, path, text)
        elif name.endswith((".js", ".mjs", ".cjs", ".ts")):
            sources.node[path] = node = read_node(text, path)
            _add(sources, node.imports)
        elif "Dockerfile" in name or "Containerfile" in name:
            sources.dockerfiles[path] = read_dockerfile(text, path)
        elif name.endswith((".yml", ".yaml")):
            sources.compose[path] = read_compose(text, path)
        elif name == "Procfile":
            sources.procfiles[path] = read_procfile(text, path)
        else:
            _project(sources, path, name, text)
    return sources


def _python(sources: Sources, path: str, text: str) -> None:
    found = read_python(text, path)
    if found is None:
        sources.unreadable.append(path)
        return
    sources.python[path] = found
    _add(sources, {name.partition(".")[0]: place for name, place in found.imports.items()})


def _project(sources: Sources, path: str, name: str, text: str) -> None:
    if name == "pyproject.toml":
        project, found = packages.read_pyproject(text, path)
        sources.names.append(project)
        _add(sources, found)
    elif name == "package.json":
        project, start, found = packages.read_package_json(text, path)
        sources.names.append(project)
        if start:
            line = text.count("\n", 0, max(text.find('"start"'), 0)) + 1
            sources.starts[path] = start, Place(file=path, line=line)
        _add(sources, found)
    elif name.startswith("requirements"):
        _add(sources, dict(packages.read_requirements(text, path)))


def _add(sources: Sources, found: Mapping[str, Place]) -> None:
    for name, place in found.items():
        sources.packages.setdefault(name, place)
