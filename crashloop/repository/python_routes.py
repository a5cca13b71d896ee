"""The routes in a Python file."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from crashloop.repository.place import Place
from crashloop.repository.python_names import dotted, string
from crashloop.repository.route import Route

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROUTERS = ("fastapi.APIRouter", "fastapi.routing.APIRouter", "flask.Blueprint", "quart.Blueprint")
_METHODS = ("get", "post", "put", "patch", "delete")
_ROUTES = ("Route", "APIRoute", "path")  # of Starlette, FastAPI and Django


def routes_in(
    nodes: Iterable[ast.AST], made: Mapping[str, tuple[str, str]], file: str
) -> Iterator[Route]:
    """The routes of a file; `made` are the class and the prefix of each name in it."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call):
                    yield from _decorated(decorator, made, file)
        elif isinstance(node, ast.Call):
            yield from _listed(node, file)


def _decorated(call: ast.Call, made: Mapping[str, tuple[str, str]], file: str) -> Iterator[Route]:
    """The routes of `@app.get("/path")` and `@app.route("/path", methods=[...])`."""
    owner, _, word = dotted(call.func).rpartition(".")
    path = string(call.args[0]) if call.args else None
    if path is None or not path.startswith("/") or not owner:
        return
    if word in _METHODS:
        methods = [word.upper()]
    elif word in {"route", "api_route"}:
        methods = _methods(call)
    else:
        return
    by, prefix = made.get(owner, ("", ""))
    place = Place(file=file, line=call.lineno)
    for method in methods:
        yield Route(method=method, path=f"{prefix}{path}", place=place, is_whole=by not in ROUTERS)


def _methods(call: ast.Call) -> list[str]:
    for keyword in call.keywords:
        if keyword.arg == "methods" and isinstance(keyword.value, ast.List | ast.Tuple | ast.Set):
            return [text.upper() for each in keyword.value.elts if (text := string(each))]
    return ["GET"]


def _listed(call: ast.Call, file: str) -> Iterator[Route]:
    """The routes of `Route("/path", ...)`, `path("path/", ...)` and `add_get("/path", ...)`."""
    word = dotted(call.func).rpartition(".")[2]
    path = string(call.args[0]) if call.args else None
    if path is None:
        return
    place = Place(file=file, line=call.lineno)
    if word in _ROUTES and len(call.args) > 1:
        # Django's paths begin without a slash, and other files put prefixes before them.
        whole = word != "path"
        for method in _methods(call):
            yield Route(method=method, path=f"/{path.lstrip('/')}", place=place, is_whole=whole)
    elif word in {"add_get", "add_post"} and path.startswith("/"):
        yield Route(method=word.removeprefix("add_").upper(), path=path, place=place)


def adds_prefix(call: ast.Call) -> bool:
    """Whether a call puts a prefix before the routes of another file."""
    word = dotted(call.func).rpartition(".")[2]
    if word in {"mount", "Mount"}:
        return True
    return word in {"include_router", "register_blueprint"} and any(
        keyword.arg in {"prefix", "url_prefix"} for keyword in call.keywords
    )
