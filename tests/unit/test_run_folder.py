"""The folder of a run has a short name that is safe anywhere."""

from __future__ import annotations

import re

import pytest

from crashloop.run import artifacts_folder, folder_name


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("issue-1278", "issue-1278"),
        ("issue-1278-proof", "issue-1278-proof"),
        ("fault:hold", "fault-hold"),
        ("fault:latency:latency_s=2.5,jitter_s=1", "fault-latency-latency_s-2.5-jitter_s-1"),
        ("fault:read_only_files:folder=../a b", "fault-read_only_files-folder-..-a-b"),
        ("fault:x:a=/", "fault-x-a"),
        ("../..", "run"),
        ("Größe", "Gr-e"),
    ],
)
def test_only_safe_characters_of_a_name_are_kept(name: str, folder: str) -> None:
    assert folder_name(name) == folder


def test_a_long_name_is_cut_and_stays_one_folder() -> None:
    folder = artifacts_folder(f"fault:read_only_files:folder={'a/' * 300}")
    assert folder.parent.name == "crashloop-artifacts"
    assert re.fullmatch(r"[\w.-]{1,100}", folder.name)
    assert folder.name != artifacts_folder("x").name
