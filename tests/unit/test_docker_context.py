"""Build contexts: exactly the files of an image, the same bytes every time, and their digest."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from crashloop.engines.docker import context
from crashloop.engines.docker.context import (
    app_context,
    pack,
    package_files,
    package_folder,
    sidecar_context,
)
from crashloop.errors import CapabilityError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crashloop.engines.docker.context import Context

WHEEL = "x-1-py3-none-any.whl"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small package in place of every installed one."""
    folder = tmp_path / "installed" / "app"
    (folder / "inner" / "__pycache__").mkdir(parents=True)
    (folder / "__pycache__").mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "main.py").write_text("x = 1\n")
    (folder / "inner" / "more.py").write_text("y = 2\n")
    (folder / "__pycache__" / "main.cpython-311.pyc").write_bytes(b"pyc")
    (folder / "inner" / "__pycache__" / "more.cpython-311.pyc").write_bytes(b"pyc")
    monkeypatch.setattr(context, "package_folder", lambda _: folder)
    return folder


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / WHEEL).write_bytes(b"a wheel")
    (folder / "notes.txt").write_text("no wheel")
    return folder


def in_tar(raw: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        return {m.name: getattr(tar.extractfile(m), "read", bytes)() for m in tar.getmembers()}


@pytest.mark.usefixtures("package")
def test_the_tar_has_exactly_the_packages_files_and_no_bytecode() -> None:
    assert in_tar(app_context(None).tar()) == {
        "app_under_test/Dockerfile": b"FROM scratch\n",
        "app_under_test/main.py": b"x = 1\n",
        "app_under_test/inner/more.py": b"y = 2\n",
    }


@pytest.mark.usefixtures("package")
def test_only_the_wheels_of_their_folder_are_packed(wheels: Path) -> None:
    names = set(in_tar(app_context(wheels).tar()))

    assert {name for name in names if name.startswith("wheels/")} == {f"wheels/{WHEEL}"}


@pytest.mark.parametrize("made", [app_context, sidecar_context])
def test_an_image_of_ours_has_its_dockerfile_among_its_files(
    made: Callable[[Path | None], Context],
) -> None:
    found = made(None)

    assert found.dockerfile in found.files
    assert found.files[found.dockerfile].read_text().lstrip().startswith(("#", "ARG", "FROM"))


def test_the_sidecars_image_has_the_proxy_and_both_programs() -> None:
    files = sidecar_context(None).files

    for name in ("__main__", "proxy/proxy", "engines/docker/gate", "engines/docker/probe"):
        assert f"crashloop/{name}.py" in files


def test_the_same_files_are_the_same_bytes_whenever_they_were_written(package: Path) -> None:
    before = app_context(None)
    first = before.tar()
    for path in package.rglob("*.py"):
        os.utime(path, (1, 1))
        path.chmod(0o600)

    after = app_context(None)

    assert (after.tar(), after.digest) == (first, before.digest)


def test_the_order_of_the_files_does_not_matter(package: Path) -> None:
    files = package_files(package)

    assert pack(files) == pack(dict(reversed(files.items())))


def test_everybody_may_read_what_is_packed(package: Path) -> None:
    (package / "main.py").chmod(0o600)

    with tarfile.open(fileobj=io.BytesIO(pack(package_files(package)))) as tar:
        assert {member.mode for member in tar.getmembers()} == {0o644}


def _write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)


CHANGES: dict[str, Callable[[Path, Path], object]] = {
    "another content": lambda package, _: _write(package, "main.py", "x = 2\n"),
    "another name": lambda package, _: (package / "main.py").rename(package / "other.py"),
    "one more file": lambda package, _: _write(package, "more.py", ""),
    "a wheel of another version": lambda _, wheels: (wheels / WHEEL).rename(wheels / "x-2.whl"),
    "one more wheel": lambda _, wheels: _write(wheels, "y-1.whl", ""),
}


@pytest.mark.parametrize("what", CHANGES)
def test_any_change_of_the_files_changes_the_digest(what: str, package: Path, wheels: Path) -> None:
    before = app_context(wheels).digest

    CHANGES[what](package, wheels)

    assert app_context(wheels).digest != before


def test_a_byte_that_moves_from_one_file_to_the_next_changes_the_digest(package: Path) -> None:
    _write(package, "main.py", "ab")
    _write(package, "more.py", "c")
    before = app_context(None).digest
    _write(package, "main.py", "a")
    _write(package, "more.py", "bc")

    assert app_context(None).digest != before


def test_bytecode_does_not_change_the_digest(package: Path) -> None:
    before = app_context(None).digest
    (package / "__pycache__" / "main.cpython-312.pyc").write_bytes(b"new")

    assert app_context(None).digest == before


def test_a_package_that_is_not_installed_is_named_with_what_to_do() -> None:
    with pytest.raises(CapabilityError) as missing:
        package_folder("no_such_package_at_all")

    assert "no_such_package_at_all is not installed" in missing.value.message
    assert "CRASHLOOP_DOCKER_APP_IMAGE" in missing.value.hint


def test_the_folder_of_an_installed_package_is_found() -> None:
    assert (package_folder("crashloop") / "engines" / "docker" / "context.py").is_file()
