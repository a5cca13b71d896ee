from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from crashloop.engines import reaper
from crashloop.engines.reaper import Registry, identity, remove_shared_memory, sweep

MARK = "cl-unit-test"


def test_done_is_the_only_command_that_ends_the_watch() -> None:
    registry = Registry(MARK)
    assert all(registry.obey(line) for line in ("folder /a\n", "nonsense\n", "\n", "don"))
    assert not registry.obey("done\n")


def test_a_folder_is_remembered_until_it_is_forgotten_and_must_be_absolute() -> None:
    registry = Registry(MARK)
    for line in ("folder /a b\n", "folder /c\n", "folder relative\n", "forget /c\n"):
        registry.obey(line)
    assert registry.folders == {"/a b"}


def test_a_process_that_has_ended_is_not_remembered() -> None:
    ended = subprocess.Popen([sys.executable, "-S", "-c", ""])
    ended.wait()
    registry = Registry(MARK)
    registry.obey(f"process {ended.pid} 15\n")
    assert registry.signals == {}


def test_a_process_id_that_was_reused_is_not_signalled() -> None:
    registry = Registry(MARK)
    registry.signals[os.getpid(), "another start"] = 15
    assert os.getpid() not in {pid for pid, _ in registry.living()}


def test_a_process_is_distinguished_from_its_successor_by_its_start() -> None:
    assert identity(os.getpid()) == identity(os.getpid()) is not None
    assert identity(os.getpid()) != identity(1)


def test_a_sweep_removes_the_folder_and_follows_no_link(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    ours = tmp_path / "ours"
    ours.mkdir()
    (ours / "link").symlink_to(kept)
    (tmp_path / "trap").symlink_to(kept)
    registry = Registry(MARK)
    registry.obey(f"folder {ours}\n")
    registry.obey(f"folder {tmp_path / 'trap'}\n")
    sweep(registry)
    assert not ours.exists()
    assert (kept / "file").exists()


def test_a_stale_file_that_names_no_segment_of_ours_removes_nothing(tmp_path: Path) -> None:
    assert not remove_shared_memory(tmp_path)
    (tmp_path / "postmaster.pid").write_text("1\n/d\n0\n1\n/s\n127.0.0.1\n  999999999  999999999\n")
    assert not remove_shared_memory(tmp_path)


def test_the_watcher_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    watcher = subprocess.run(
        [sys.executable, "-I", "-S", str(Path(reaper.__file__)), MARK],
        input=f"folder {folder}\n".encode(),
        timeout=5,
        check=False,
        capture_output=True,
    )
    assert (watcher.returncode, watcher.stderr) == (0, b"")
    assert not folder.exists()


@pytest.mark.parametrize("last", [b"done\n", b"forget FOLDER\n"])
def test_a_watcher_that_was_told_leaves_the_folder_alone(tmp_path: Path, last: bytes) -> None:
    told = f"folder {tmp_path}\n".encode() + last.replace(b"FOLDER", str(tmp_path).encode())
    command = [sys.executable, "-I", "-S", str(Path(reaper.__file__)), MARK]
    subprocess.run(command, input=told, timeout=5, check=True)
    assert tmp_path.exists()
