"""Files that are no ordinary logs: a clear answer, and no crash."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crashloop.cli import app
from crashloop.errors import UsageError
from crashloop.log_files import MAX_LINE_BYTES, read_lines
from crashloop.logs.formats import FORMATS

STARTED = "INFO:     Started server process [1]"


def texts(folder: Path, content: bytes) -> list[str]:
    file = folder / "app.log"
    file.write_bytes(content)
    return [line.text for line in read_lines(str(file))]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"), (b"\x7fELF\x00\x01", "is binary"),
        (gzip.compress(b"INFO: x\n"), "is compressed"), (b"PK\x03\x04\x14", "is compressed"),
    ],
    ids=["empty", "binary", "gzip", "zip"],
)  # fmt: skip
def test_a_file_that_is_no_log_is_refused_by_name(
    content: bytes, says: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=rf"app\.log {says}"):
        texts(tmp_path, content)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_the_lines_are_the_same_in_every_encoding(encoding: str, tmp_path: Path) -> None:
    found = texts(tmp_path, f"{STARTED}\r\nfür\n{STARTED}".encode(encoding))

    assert [found[0], found[2]] == [STARTED, STARTED]


def test_a_line_without_end_is_cut_and_the_next_one_is_whole(tmp_path: Path) -> None:
    found = texts(tmp_path, b"x" * (3 * MAX_LINE_BYTES) + b"\n" + STARTED.encode() + b"\n")

    assert [len(found[0]), found[1]] == [MAX_LINE_BYTES, STARTED]


def test_a_nul_in_a_later_line_is_part_of_it(tmp_path: Path) -> None:
    assert texts(tmp_path, b"INFO: x\nINFO: \x00\n") == ["INFO: x", "INFO: \x00"]


@pytest.mark.parametrize(
    "content",
    [
        b'{"insertId": "a", "textPay', b'[{"insertId": "a"}, {"text', b"[\n  {\n", b"[{}",
        b"---\ninsertId: [\n---\n\x01\n", b"[pod/a/b] \x1b[31m\n" * 3, b'{"log":"a' * 3,
        b"$ kubectl describe pod x\nName:   \nEvents:\n", b'$ kubectl logs "\n\xff\xfe\n',
        b"Name:            web\nContainers:\n  a:\n    State:  x\n    Last State: Terminated\n",
        b"2026-02-31T00:00:00Z x\n9999-99-99 x\n", b"Aug 99 99:99:99 h u[1]: x\n" * 3,
        b"\xed\xa0\x80 \xf0\x9f\x92\xa5\n" * 3,
    ],
)  # fmt: skip
def test_a_broken_log_is_unknown(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "app.log"
    file.write_bytes(content)

    result = CliRunner().invoke(app, ["diagnose", str(file)])

    assert (result.exit_code, type(result.exception)) == (11, SystemExit)
    assert "Unknown" in result.output


def test_a_file_that_goes_away_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "app.log"
    file.write_text(f"{STARTED}\n" * 3)
    lines = read_lines(str(file))
    next(lines)
    file.unlink()

    assert len(list(lines)) == 2


def test_formats_are_listed_and_a_wrong_one_is_answered_with_them(tmp_path: Path) -> None:
    listed = CliRunner().invoke(app, ["diagnose", "--formats"]).output
    assert all(f"{name} " in listed for name in FORMATS)

    file = tmp_path / "app.log"
    file.write_text("x\n")
    refused = CliRunner().invoke(app, ["diagnose", str(file), "--format", "x"])
    assert isinstance(refused.exception, UsageError)
    assert "cloud-logging" in str(refused.exception.hint)


def test_the_documentation_lists_every_format_with_what_writes_it() -> None:
    page = (Path(__file__).parents[2] / "docs" / "log-formats.md").read_text()

    for one in FORMATS.values():
        assert f"| `{one.name}` | {one.what} |" in page
