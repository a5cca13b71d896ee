"""The app that a repository's code defines, and a command that serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.repository.command import Command, listening

if TYPE_CHECKING:
    from crashloop.repository.python_source import PythonSource, Target
    from crashloop.repository.sources import Sources

_NAMES = ("app", "application", "asgi", "wsgi", "api", "create_app")
GUNICORN_CONFIG = "gunicorn.conf.py"
_ASGI_SERVERS = ("uvicorn", "hypercorn", "granian", "daphne")


def chosen_target(sources: Sources) -> Target | None:
    """The app to serve: an object before a factory, the outermost file, the usual name."""
    targets = [target for source in sources.python.values() for target in source.targets]
    wants_asgi = sources.has(*_ASGI_SERVERS) is not None

    def rank(target: Target) -> tuple[bool, bool, int, int, str]:
        other = (target.interface == "asgi") != wants_asgi
        known = _NAMES.index(target.name) if target.name in _NAMES else len(_NAMES)
        return other, target.is_factory, target.file.count("/"), known, target.file

    return min(targets, key=rank, default=None)


def module_of(target: Target, sources: Sources) -> tuple[str, str]:
    """The folder to import from, and the module's dotted name below it."""
    parts = target.file.removesuffix(".py").removesuffix("/__init__").split("/")
    source = sources.python[target.file]
    best = (-1, "", ".".join(parts))
    for number in range(len(parts)):
        root, below = "/".join(parts[:number]), parts[number:]
        if not all(part.isidentifier() for part in below) or len(below) <= source.level:
            continue
        score = 2 * _imports_found(source, root, sources) + (root == "src")
        if score > best[0]:
            best = (score, root, ".".join(below))
    return best[1], best[2]


def target_command(target: Target, module: str, sources: Sources) -> Command:
    """A command of the server that the project has, or of the usual one."""
    name = f"{module}:{target.name}"
    has_config = any(path.rpartition("/")[2] == GUNICORN_CONFIG for path in sources.python)
    has_worker = sources.has("uvicorn-worker", "uvicorn_worker") is not None
    if target.interface == "asgi" and sources.has("gunicorn") and (has_config or has_worker):
        worker = () if has_config else ("-k", "uvicorn_worker.UvicornWorker")
        words = ["gunicorn", *worker, f"{name}()" if target.is_factory else name]
    elif target.interface == "asgi":
        server = next((each for each in _ASGI_SERVERS if sources.has(each)), "uvicorn")
        words = [server, *(["--interface", "asgi"] if server == "granian" else []), name]
        words += ["--factory"] if target.is_factory and server in {"uvicorn", "granian"} else []
    elif sources.has("gunicorn"):
        words = ["gunicorn", f"{name}()" if target.is_factory else name]
    elif sources.has("waitress"):
        words = ["waitress-serve", *(["--call"] if target.is_factory else []), name]
    elif sources.has("flask"):
        words = ["flask", "--app", name, "run"]
    elif "manage.py" in sources.tree.texts:
        words = ["python", "manage.py", "runserver"]
    else:
        words = ["gunicorn", f"{name}()" if target.is_factory else name]
    return listening(tuple(words), has_venv=bool(sources.tree.venvs))


def _imports_found(source: PythonSource, root: str, sources: Sources) -> int:
    """How many of the file's imports are files below the folder."""
    start = f"{root}/" if root else ""
    found = 0
    for name in source.imports:
        path = start + name.replace(".", "/")
        found += any(each in sources.python for each in (f"{path}.py", f"{path}/__init__.py"))
    return found
