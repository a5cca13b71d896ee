"""Files that were written to break a reader: nothing raises, and every entry stays TOML."""

from __future__ import annotations

import os
import tomllib
import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crashloop.repository import entry_text, find, read_tree, tree
from crashloop.repository.entry_text import toml_string
from crashloop.repository.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path

FILES = (
    *("main.py", "server.js", "Dockerfile", "compose.yaml", "Procfile", "package.json"),
    *("pyproject.toml", "requirements.txt", "web.env"),
)
PIECES = st.sampled_from(
    [
        *('"', "'", "\\", "\n", "{", "}", "{host}", "\x1b[31m", "\x00", "\u202e", "\ud800", "# x"),
        *("services:\n  web:\n", "    build: .\n", "    environment: {A: b}\n", "&a [*a]"),
        *("FROM x\n", "CMD ", "ENV A=", "web: ", '["sh", "-c", ', "$PORT", "${A:-", "node a.js"),
        *("import os\n", 'os.environ["', '"]\n', "from fastapi import FastAPI\napp = FastAPI()\n"),
        *('@app.get("/health', '")\ndef f(): ...\n', "process.env.A", "uvicorn main:app", "[apps]"),
    ]
)
TEXT = st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=12).map("".join))


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.sampled_from(FILES), TEXT, max_size=4), st.text(max_size=20))
@example({"main.py": "(" * 5000}, "x")
@example({"compose.yaml": "[" * 3000}, "x")
@example({"pyproject.toml": f"x = {'1' * 5000}"}, "x")
@example({"package.json": "[" * 100_000}, "x")
@example({"Dockerfile": "FROM a\nCMD [" + "[" * 100_000}, "x")
def test_any_files_give_an_entry_that_toml_can_read(files: dict[str, str], name: str) -> None:
    text = entry_text(find(Tree(name=name, texts=files)))

    (apps,) = tomllib.loads(text).values()
    assert len(apps) == 1
    assert not [
        each for each in text if unicodedata.category(each).startswith("C") and each != "\n"
    ]


@given(st.text())
def test_any_text_is_the_same_after_toml_has_read_it(text: str) -> None:
    whole = "".join("\ufffd" if unicodedata.category(each) == "Cs" else each for each in text)

    assert tomllib.loads(f"x = {toml_string(text)}")["x"] == whole


def test_a_compose_file_that_grows_when_it_is_expanded_is_read_at_once() -> None:
    levels = ["a0: &a0 [x]"] + [
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)
    ]
    text = "\n".join([*levels, "services:", "  web:", "    environment: *a29", "    image: *a29"])

    find(Tree(name="x", texts={"compose.yaml": text}))


@pytest.mark.timeout(20)
def test_a_compose_file_whose_merge_keys_repeat_each_other_is_read_at_once() -> None:
    levels = ["a0: &a0 {x: 1}"] + [
        f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}], y{n}: 1}}" for n in range(1, 12)
    ]
    text = "\n".join([*levels, "services:", "  web:", "    environment: *a11"])

    find(Tree(name="x", texts={"compose.yaml": text}))


def test_nothing_outside_of_the_folder_is_read(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "main.py").write_text('import os\nos.environ["OUTSIDE"]\n')
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "linked").symlink_to(outside)
    (inside / "main.py").symlink_to(outside / "main.py")
    (inside / "loop").symlink_to(inside)

    found = read_tree(inside)

    assert found.texts == {}
    assert found.skipped == ("main.py: a symbolic link",)


def test_a_pipe_in_the_folder_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "Procfile")

    assert read_tree(tmp_path).texts == {}


def test_files_above_a_bound_are_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "MAX_FILES", 3)
    for number in range(5):
        (tmp_path / f"m{number}.py").write_text("")
    (tmp_path / "a.py").write_text("#" * (tree.MAX_FILE_BYTES + 1))

    found = read_tree(tmp_path)

    assert sorted(found.texts) == ["m0.py", "m1.py", "m2.py"]
    assert found.skipped == (
        "a.py: too large, or not a file that can be read",
        "all files after the first 3",
    )


def test_folders_beyond_the_bound_are_not_entered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "MAX_DEPTH", 1)
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "main.py").write_text("")
    (tmp_path / "a" / "main.py").write_text("")

    assert sorted(read_tree(tmp_path).texts) == ["a/main.py"]


def test_bytes_that_are_no_text_are_read_as_far_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_bytes(b"web: node a.js \xff\n")

    assert read_tree(tmp_path).texts == {"Procfile": "web: node a.js \ufffd\n"}
