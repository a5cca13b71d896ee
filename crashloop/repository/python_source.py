"""A Python file: the apps, variables and routes in it, found without importing it."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crashloop.repository.place import Place
from crashloop.repository.python_names import dotted, full_name, string
from crashloop.repository.python_routes import adds_prefix, routes_in
from crashloop.repository.python_variables import variables_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from crashloop.repository.route import Route
    from crashloop.repository.variable import Variable

Interface = Literal["asgi", "wsgi"]

APPS: Mapping[str, Interface] = {
    "fastapi.FastAPI": "asgi",
    "starlette.applications.Starlette": "asgi",
    "quart.Quart": "asgi",
    "litestar.Litestar": "asgi",
    "blacksheep.Application": "asgi",
    "falcon.asgi.App": "asgi",
    "socketio.ASGIApp": "asgi",
    "channels.routing.ProtocolTypeRouter": "asgi",
    "django.core.asgi.get_asgi_application": "asgi",
    "flask.Flask": "wsgi",
    "bottle.Bottle": "wsgi",
    "falcon.App": "wsgi",
    "falcon.API": "wsgi",
    "django.core.wsgi.get_wsgi_application": "wsgi",
}
"""What makes an app, by the name it is imported from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An app that a server can import; `is_factory`: the name is a function that makes it."""

    file: str
    name: str
    interface: Interface
    place: Place
    is_factory: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonSource:
    """What was found in a file. `imports` are dotted names, each with its place.

    `modules` are the paths, without `.py`, that its imports can mean; those of relative imports
    begin with a slash and count from the repository's folder. `level` is the highest number of
    dots of such an import. `calls` are the last words of what it calls. `has_prefixes` says that
    the file puts a prefix before the routes of another one's router, and `rewrites_url` that it
    replaces the scheme of a URL itself.
    """

    targets: tuple[Target, ...] = ()
    variables: tuple[Variable, ...] = ()
    routes: tuple[Route, ...] = ()
    imports: Mapping[str, Place]
    modules: tuple[str, ...] = ()
    level: int = 0
    calls: frozenset[str] = frozenset()
    has_prefixes: bool = False
    rewrites_url: bool = False


def read_python(text: str, file: str) -> PythonSource | None:
    """What the file has; None if Python cannot parse it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
        return _source(tree, file)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _source(tree: ast.Module, file: str) -> PythonSource:
    names = dict(_imported(tree))
    nodes = list(ast.walk(tree))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    kinds = _made(tree, names)
    return PythonSource(
        targets=tuple(_targets(tree, names, kinds, file)),
        variables=tuple(variables_in(tree, names, file)),
        routes=tuple(routes_in(nodes, kinds, file)),
        imports=dict(_imports(nodes, file)),
        modules=tuple(dict.fromkeys(_modules(nodes, file))),
        level=max((node.level for node in nodes if isinstance(node, ast.ImportFrom)), default=0),
        calls=frozenset(dotted(call.func).rpartition(".")[2] for call in calls),
        has_prefixes=any(adds_prefix(call) for call in calls),
        rewrites_url=any(_rewrites_url(call) for call in calls),
    )


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The names that the file gives to what it imports, and where each is from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    yield alias.asname, alias.name
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _imports(nodes: Iterable[ast.AST], file: str) -> Iterator[tuple[str, Place]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, Place(file=file, line=node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, Place(file=file, line=node.lineno)


def _modules(nodes: Iterable[ast.AST], file: str) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.replace(".", "/") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = (node.module or "").replace(".", "/")
            if node.level:
                folder = file.split("/")[: -node.level]
                base = "/" + "/".join([*folder, *([base] if base else [])])
            yield base
            yield from (f"{base.rstrip('/')}/{alias.name}" for alias in node.names)


def _assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr, int]]:
    """The module's own names, the value of each, and its line."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            target, value = node.target, node.value
        else:
            continue
        if isinstance(target, ast.Name):
            yield target.id, value, node.lineno


def _made(tree: ast.Module, names: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """What each name of the file was made by, and the prefix that its routes have."""
    found = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, ast.Call):
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Name):
            prefix = "".join(
                string(keyword.value) or ""
                for keyword in node.value.keywords
                if keyword.arg in {"prefix", "url_prefix"}
            )
            found[target.id] = full_name(node.value.func, names), prefix
    return found


def _targets(
    tree: ast.Module, names: Mapping[str, str], made: Mapping[str, tuple[str, str]], file: str
) -> Iterator[Target]:
    for name, value, line in _assigned(tree):
        interface = APPS.get(full_name(value.func, names)) if isinstance(value, ast.Call) else None
        if interface:
            place = Place(file=file, line=line)
            yield Target(file=file, name=name, interface=interface, place=place)
    for node in tree.body:
        if isinstance(node, ast.AsyncFunctionDef) and _is_asgi(node):
            place = Place(file=file, line=node.lineno)
            yield Target(file=file, name=node.name, interface="asgi", place=place)
        elif isinstance(node, ast.FunctionDef) and not _required(node):
            interface = _returned(node, names, made)
            if interface:
                place = Place(file=file, line=node.lineno)
                yield Target(
                    file=file, name=node.name, interface=interface, place=place, is_factory=True
                )


def _is_asgi(node: ast.AsyncFunctionDef) -> bool:
    return [each.arg for each in node.args.args] == ["scope", "receive", "send"]


def _required(node: ast.FunctionDef) -> bool:
    """Whether the function has a parameter without a default."""
    positional = len(node.args.posonlyargs) + len(node.args.args)
    return positional > len(node.args.defaults) or None in node.args.kw_defaults


def _returned(
    node: ast.FunctionDef, names: Mapping[str, str], made: Mapping[str, tuple[str, str]]
) -> Interface | None:
    for each in ast.walk(node):
        if not isinstance(each, ast.Return) or each.value is None:
            continue
        if isinstance(each.value, ast.Call):
            by = full_name(each.value.func, names)
        else:
            by, _ = made.get(dotted(each.value), ("", ""))
        if by in APPS:
            return APPS[by]
    return None


def _rewrites_url(call: ast.Call) -> bool:
    return (
        isinstance(call.func, ast.Attribute)
        and call.func.attr in {"replace", "sub"}
        and any("postgresql+" in (string(each) or "") for each in call.args)
    )
