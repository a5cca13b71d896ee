"""Checks before a run starts anything, so that a refusal comes at once."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import re
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.errors import CapabilityError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.machinery import ModuleSpec

    from crashloop.clock import TimeScale
    from crashloop.model import AppUnderTest, Scenario

SAMPLE_APP = "app_under_test"
SAMPLE_EXTRA = "sample"


def require_runnable(scenario: Scenario, scale: TimeScale, *, on_this_machine: bool) -> None:
    """Refuse what cannot run: CapabilityError or UsageError with what to do.

    `on_this_machine`: the app runs in this environment, not in an image that brings its own.
    """
    if scenario.real_time_only and not scale.is_real_time:
        raise CapabilityError(
            f"this scenario runs in real time only: {scenario.real_time_only}",
            hint="run it at a time scale of 1: --real-time, or --crashloop-time-scale 1 in pytest",
        )
    app = scenario.app
    if app.folder and not Path(app.folder).is_dir():
        raise UsageError(
            f"the app's folder does not exist: {app.folder}",
            hint="AppUnderTest.folder is the folder to import the app from",
        )
    if on_this_machine:
        _check_target(app)


def _check_target(app: AppUnderTest) -> None:
    module, colon, name = app.target.partition(":")
    if not (module and colon and name):
        raise UsageError(
            f"the app's target is {app.target!r}, which is not MODULE:NAME",
            hint="name the ASGI app as uvicorn does: target='shop.main:app'",
        )
    if module.split(".")[0] == SAMPLE_APP and not app.folder:
        _check_sample_app()
    if not importlib.util.find_spec("uvicorn"):
        raise CapabilityError(
            "uvicorn, which starts the app, is not installed", hint="pip install uvicorn"
        )
    spec = _find(module, app.folder)
    if spec is None:
        where = f"in {app.folder} or " if app.folder else ""
        raise UsageError(
            f"there is no module {module} {where}among the installed packages",
            hint=f"the app's target is {app.target}; set AppUnderTest.folder to its import folder",
        )
    _check_name(spec, name.partition(".")[0])


def _check_sample_app() -> None:
    missing = [name for name in _sample_packages() if not importlib.util.find_spec(_module(name))]
    if missing:
        raise CapabilityError(
            f"the sample app needs {', '.join(missing)}",
            hint=f"pip install 'crashloop[{SAMPLE_EXTRA}]'",
        )


def _sample_packages() -> Iterator[str]:
    """The packages of the extra `sample`, by their distribution's names."""
    for requirement in importlib.metadata.requires("crashloop") or []:
        name, extra = re.match(r"[\w.-]+", requirement), re.search(r"extra == .(\w+)", requirement)
        if name and extra and extra[1] == SAMPLE_EXTRA:
            yield name[0]


def _module(distribution: str) -> str:
    return distribution.lower().replace("-", "_")


def _find(module: str, folder: str) -> ModuleSpec | None:
    """Find the module without importing it; None if it does not exist."""
    top, *rest = module.split(".")
    spec = PathFinder.find_spec(top, [folder]) if folder else None
    spec = spec or importlib.util.find_spec(top)
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(part, list(spec.submodule_search_locations))
    return spec


def _check_name(spec: ModuleSpec, name: str) -> None:
    """Refuse a module if its source has no such name or cannot be parsed."""
    if spec.origin is None or not spec.origin.endswith(".py"):
        return
    try:
        tree = ast.parse(Path(spec.origin).read_bytes())
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise UsageError(
            f"the app's module cannot be imported: {spec.origin}:{line}: {error}",
            hint="correct it, or name another module",
        ) from None
    if not any(_may_bind(node, name) for node in ast.walk(tree)):
        raise UsageError(
            f"the app's module has no {name}: {spec.origin}",
            hint="name the ASGI app as uvicorn does: target='MODULE:NAME'",
        )


def _may_bind(node: ast.AST, name: str) -> bool:
    match node:
        case ast.Name(id="globals" | "setattr" | "exec"):
            return True
        case ast.Name(id=bound, ctx=ast.Store()):
            return bound == name
        case ast.FunctionDef(name=bound) | ast.AsyncFunctionDef(name=bound):
            return bound in {name, "__getattr__"}
        case ast.ClassDef(name=bound):
            return bound == name
        case ast.alias(name=imported, asname=bound):
            return (bound or imported.partition(".")[0]) in {name, "*"}
        case _:
            return False
