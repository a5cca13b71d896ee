"""The files of a repository that say how its app is started, read within bounds."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Chosen: far more than a service has, and read in a few seconds.
MAX_ENTRIES = 20_000
MAX_FILES = 500
MAX_FILE_BYTES = 256 * 1024
MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 8

_NAMED = re.compile(
    r"pyproject\.toml|requirements[\w.-]*\.txt|(?:.*\.)?(?:Dockerfile|Containerfile)(?:\..*)?"
    r"|(?:docker-)?compose\.ya?ml|Procfile|package\.json|alembic\.ini|[\w.-]*\.env(?:\.\w+)?"
)
_CODE = re.compile(r".*\.(?:py|js|mjs|cjs|ts)")
_TESTS = re.compile(r"test_.*\.py|.*_test\.py|conftest\.py|.*\.(?:test|spec)\.\w+|.*\.d\.ts")
_NOT_ENTERED = {
    *("node_modules", "site-packages", "__pycache__", "build", "dist", "target", "vendor"),
    *("test", "tests", "__tests__", "docs", "examples", "migrations", "versions", "coverage"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Texts by their paths relative to the folder, the outermost files first.

    `name` is the folder's own, `venvs` are the virtual environments in it. `skipped` says which
    files were left out, and why.
    """

    name: str
    texts: Mapping[str, str]
    venvs: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    def venv(self, folder: str) -> str:
        """The virtual environment of the folder, else the outermost one; "" if there is none."""
        own = [each for each in self.venvs if each.rpartition("/")[0] == folder]
        return next(iter(own or self.venvs), "")


def read_tree(folder: Path) -> Tree:
    """Read what the folder has; symbolic links are not followed, and nothing is run.

    Files that cannot be read are skipped.
    """
    texts: dict[str, str] = {}
    venvs: list[str] = []
    skipped: list[str] = []
    left = MAX_BYTES
    for path, name in _paths(folder, venvs, skipped):
        if len(texts) == MAX_FILES:
            skipped.append(f"all files after the first {MAX_FILES}")
            break
        text = _text(path, min(MAX_FILE_BYTES, left))
        if text is None:
            skipped.append(f"{name}: too large, or not a file that can be read")
        else:
            texts[name] = text
            left -= len(text.encode())
    return Tree(name=folder.resolve().name, texts=texts, venvs=tuple(venvs), skipped=tuple(skipped))


def _paths(folder: Path, venvs: list[str], skipped: list[str]) -> Iterator[tuple[Path, str]]:
    """The files that are of interest, folder by folder, each with its relative path."""
    waiting = [(folder, "", 0)]
    seen = 0
    for each, prefix, depth in waiting:
        try:
            entries = sorted(os.scandir(each), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            seen += 1
            if seen > MAX_ENTRIES:
                skipped.append(f"all files after the first {MAX_ENTRIES} names")
                return
            name = f"{prefix}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if Path(entry.path, "pyvenv.cfg").is_file():
                    venvs.append(name)
                elif depth < MAX_DEPTH and not _is_left_out(entry):
                    waiting.append((Path(entry.path), f"{name}/", depth + 1))
            elif _is_of_interest(entry.name):
                if entry.is_symlink():
                    skipped.append(f"{name}: a symbolic link")
                else:
                    yield Path(entry.path), name


def _is_left_out(entry: os.DirEntry[str]) -> bool:
    return entry.name in _NOT_ENTERED or entry.name.startswith(".")


def _is_of_interest(name: str) -> bool:
    if _NAMED.fullmatch(name):
        return True
    return bool(_CODE.fullmatch(name)) and not _TESTS.fullmatch(name)


def _text(path: Path, max_bytes: int) -> str | None:
    """The text of a regular file of at most `max_bytes`; None for anything else."""
    try:
        # A named pipe must not block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with open(descriptor, "rb") as file:  # noqa: PTH123  a descriptor has no path
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_size > max_bytes:
            return None
        return file.read(max_bytes).decode("utf-8", errors="replace")
