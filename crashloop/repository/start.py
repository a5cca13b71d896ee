"""How a repository's app is started: the command, and the folder that it runs in."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crashloop.repository.command import Command, listening
from crashloop.repository.secret_options import without_secrets
from crashloop.repository.shell import CommandLine, read_line
from crashloop.repository.target import chosen_target, module_of, target_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.repository.compose import ComposeService
    from crashloop.repository.place import Place
    from crashloop.repository.sources import Sources

_PACKAGE_SCRIPT = re.compile(r"(?:npm|yarn|pnpm)(?: run)? start")
_OWN_FOLDER = ("--app-dir", "--chdir", "--working-dir")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The command and its folder relative to the repository; "" for that folder itself.

    `file` is the file that is run or imported first, "" if it is not known. `setup` is what must
    run before: migrations. `unclear` says which other commands were not understood.
    """

    command: Command | None
    place: Place | None = None
    cwd: str = ""
    file: str = ""
    setup: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    line: CommandLine
    place: Place
    folder: str
    workdir: str = ""


def find_start(sources: Sources, service: ComposeService | None) -> Start:
    """The first command that is understood: compose, Dockerfile, Procfile, package.json, code.

    Each says how the app is run in earnest before the next one does.
    """
    unclear: list[str] = []
    setup: tuple[str, ...] = ()
    for candidate in _candidates(sources, service):
        line = _package_script(candidate, sources)
        if line.before and not setup:
            setup = line.before[-1]
        if line.unclear:
            unclear.append(f"{candidate.place}: the command is not understood: {line.unclear}")
        elif line.words:
            words, left_out = without_secrets(line.words)
            line = replace(line, words=words)
            unclear += [f"{candidate.place}: the value of {o} was left out" for o in left_out]
            start = _start(replace(candidate, line=line), sources)
            if start.command is not None:
                return replace(
                    start, setup=setup or _release(sources, start.cwd), unclear=tuple(unclear)
                )
            unclear += start.unclear
    target = chosen_target(sources)
    if target is None:
        return Start(command=None, setup=setup, unclear=tuple(unclear))
    root, module = module_of(target, sources)
    command = target_command(target, module, sources)
    setup = setup or _release(sources, root)
    return Start(
        command=command,
        place=target.place,
        cwd=root,
        file=target.file,
        setup=setup,
        unclear=tuple(unclear),
    )


def service_dockerfile(sources: Sources, service: ComposeService | None) -> str:
    """The Dockerfile of the service, or the outermost one; "" if there is none."""
    if service is not None and service.build:
        folder = _inside(posixpath.dirname(service.place.file), service.build)
        path = posixpath.normpath(posixpath.join(folder, service.dockerfile or "Dockerfile"))
        if path in sources.dockerfiles:
            return path
    return min(sources.dockerfiles, key=lambda path: (path.count("/"), len(path)), default="")


def _candidates(sources: Sources, service: ComposeService | None) -> Iterator[_Candidate]:
    dockerfile = service_dockerfile(sources, service)
    folder = posixpath.dirname(dockerfile)
    if service is not None:
        if service.build:
            folder = _inside(posixpath.dirname(service.place.file), service.build)
        yield _Candidate(
            line=service.command,
            place=service.at("command"),
            folder=folder,
            workdir=service.working_dir,
        )
    if dockerfile:
        found = sources.dockerfiles[dockerfile]
        if found.place is not None:
            yield _Candidate(
                line=found.command,
                place=found.place,
                folder=folder,
                workdir=service.working_dir if service else found.workdir,
            )
    for path, processes in sources.procfiles.items():
        if "web" in processes:
            text, place = processes["web"]
            yield _Candidate(line=read_line(text, {}), place=place, folder=posixpath.dirname(path))
    for path, (text, place) in sources.starts.items():
        yield _Candidate(line=read_line(text, {}), place=place, folder=posixpath.dirname(path))


def _package_script(candidate: _Candidate, sources: Sources) -> CommandLine:
    """The line that `npm start` stands for; npm itself would stand between app and signals."""
    if not _PACKAGE_SCRIPT.fullmatch(" ".join(candidate.line.words)):
        return candidate.line
    start = sources.starts.get(posixpath.join(candidate.folder, "package.json"))
    return read_line(start[0], {}) if start else candidate.line


def _release(sources: Sources, cwd: str) -> tuple[str, ...]:
    """What must run before the app: a Procfile's release, or migrations that were found."""
    for processes in sources.procfiles.values():
        if "release" in processes:
            line = read_line(processes["release"][0], {})
            if line.words:
                return line.words
    if posixpath.join(cwd, "alembic.ini") in sources.tree.texts:
        return ("alembic", "upgrade", "head")
    if posixpath.join(cwd, "manage.py") in sources.tree.texts and sources.has("django"):
        return ("python", "manage.py", "migrate", "--noinput")
    return ()


def _start(candidate: _Candidate, sources: Sources) -> Start:
    command = listening(candidate.line.words, has_venv=bool(sources.tree.venvs))
    where = candidate.place
    if command.module and not any(word.startswith(_OWN_FOLDER) for word in command.words):
        path = command.module.replace(".", "/")
        root = _root_of((f"{path}.py", f"{path}/__init__.py"), candidate, sources)
        if root is None:
            return Start(
                command=None, unclear=(f"{where}: no file here is the module {command.module}",)
            )
        start = posixpath.join(root, path)
        files = (f"{start}.py", f"{start}/__init__.py")
        file = next((each for each in files if each in sources.python), "")
        return Start(command=command, place=where, cwd=root, file=file)
    if command.script:
        root = _root_of((command.script,), candidate, sources)
        if root is None:
            return Start(command=None, unclear=(f"{where}: there is no file {command.script}",))
        file = posixpath.join(root, command.script)
        return Start(command=command, place=where, cwd=root, file=file)
    if command.server or _is_module_run(command, sources):
        return Start(command=command, place=where, cwd=candidate.folder)
    shown = " ".join(command.words)[:100]
    return Start(command=None, unclear=(f"{where}: no known server is started by: {shown}",))


def _is_module_run(command: Command, sources: Sources) -> bool:
    """Whether the command is `python -m PACKAGE` of a package that is here."""
    words = command.words
    if "-m" not in words[1:-1]:
        return False
    path = words[words.index("-m") + 1].replace(".", "/")
    return any(
        f"/{each}".endswith((f"/{path}.py", f"/{path}/__main__.py")) for each in sources.python
    )


def _root_of(paths: tuple[str, ...], candidate: _Candidate, sources: Sources) -> str | None:
    """The folder below which one of the paths is; None if it is nowhere.

    That of the file with the command comes first, then one with the name of its working folder.
    """
    roots = [
        each.removesuffix(path).rstrip("/")
        for each in sources.tree.texts
        for path in paths
        if f"/{each}".endswith(f"/{path}")
    ]
    name = posixpath.basename(candidate.workdir.rstrip("/"))

    def rank(root: str) -> tuple[bool, bool, int, int]:
        is_named = posixpath.basename(root) == name
        return root != candidate.folder, not is_named, root.count("/"), len(root)

    return min(roots, key=rank, default=None)


def _inside(folder: str, path: str) -> str:
    """A path relative to `folder`, "" if it leads out of the repository."""
    found = posixpath.normpath(posixpath.join(folder, path))
    return "" if found == "." or found.startswith(("..", "/")) else found
