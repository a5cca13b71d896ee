"""Whether the app's command can run in this environment, as far as it shows without running it."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import os
import re
import shutil
from importlib.machinery import PathFinder
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from crashloop.apps import inherited
from crashloop.apps.placeholders import TARGET
from crashloop.apps.sample import EXTRA, PACKAGE
from crashloop.errors import CapabilityError, UsageError
from crashloop.extras import INSTALL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec

    from crashloop.model import AppUnderTest

PYTHON = "{python}"
UVICORN = "uvicorn"


def require_setup(app: AppUnderTest) -> None:
    """Refuse a program of `setup` that does not exist: UsageError."""
    _require_other(app, "the `setup`", app.setup)


def require_remedies(app: AppUnderTest) -> None:
    """Refuse a program of one of the app's own remedies that does not exist: UsageError."""
    for name, remedy in app.remedies.items():
        _require_other(app, f"the remedy {name}", remedy.command)


def _require_other(app: AppUnderTest, what: str, command: Sequence[str]) -> None:
    if command:
        path = inherited(app).get("PATH", os.defpath)
        require_program(command[0], app.cwd, whose=f"{what} of app {app.name}", path=path)


def require_command(app: AppUnderTest) -> None:
    """Refuse a program that does not exist, and an ASGI app that uvicorn would not find.

    CapabilityError or UsageError with what to do. The app is found without importing it.
    """
    program, *words = app.command
    path = inherited(app).get("PATH", os.defpath)
    require_program(program, app.cwd, whose=f"the command of app {app.name}", path=path)
    if app.venv:  # it has packages of its own
        return
    if program != PYTHON or "-m" not in words or words[words.index("-m") + 1 :][:1] != [UVICORN]:
        return
    arguments = words[words.index("-m") + 2 :]
    if arguments and not arguments[0].startswith("-"):  # else an option's value may come first
        target = arguments[0].replace(f"{{{TARGET}}}", app.wrap)
        _check_target(app.name, target, _import_folder(app.cwd, arguments))


def require_program(program: str, cwd: str, *, whose: str, path: str | None = None) -> None:
    """Refuse a program that is neither on PATH (or `path`) nor a file that can be run."""
    if "{" in program:  # a placeholder: the engine's own
        return
    is_path = os.sep in program
    if shutil.which(str(Path(cwd or ".") / program) if is_path else program, path=path) is None:
        where = f"in {cwd}" if is_path and cwd else "on PATH"
        raise UsageError(
            f"{whose} starts {program}, and there is no such program {where}",
            hint=f"install it, or correct the command; {PYTHON} is the Python that runs crashloop",
        )


def _import_folder(cwd: str, arguments: Sequence[str]) -> str:
    """The folder that uvicorn imports from; "": only from what is installed."""
    given = [after for word, after in pairwise(arguments) if word == "--app-dir"]
    return str(Path(cwd or ".", given[0]).resolve()) if given else cwd


def _check_target(app: str, target: str, folder: str) -> None:
    module, colon, name = target.partition(":")
    if not (module and colon and name):
        raise UsageError(
            f"app {app} gives uvicorn {target!r}, which is not MODULE:NAME",
            hint="name the ASGI app as uvicorn does: shop.main:app",
        )
    if module.split(".")[0] == PACKAGE and not folder:
        _check_sample_app()
    if not importlib.util.find_spec(UVICORN):
        raise CapabilityError(
            "uvicorn, which starts the app, is not installed", hint="pip install uvicorn"
        )
    spec = _find(module, folder)
    if spec is None:
        where = f"in {folder} or " if folder else ""
        raise UsageError(
            f"there is no module {module} {where}among the installed packages",
            hint=f"app {app} gives uvicorn {target}; its `cwd` is the folder to import from",
        )
    _check_name(spec, name.partition(".")[0])


def _check_sample_app() -> None:
    missing = [name for name in _sample_packages() if not importlib.util.find_spec(_module(name))]
    if missing:
        raise CapabilityError(
            f"the sample app needs {', '.join(missing)}",
            hint=INSTALL,
        )


def _sample_packages() -> Iterator[str]:
    """The packages of the extra `sample`, by their distribution's names."""
    for requirement in importlib.metadata.requires("crashloop") or []:
        name, extra = re.match(r"[\w.-]+", requirement), re.search(r"extra == .(\w+)", requirement)
        if name and extra and extra[1] == EXTRA:
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
            hint="name the ASGI app as uvicorn does: MODULE:NAME",
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
