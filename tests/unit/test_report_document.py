"""Standard output has one JSON document, whatever else is printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from crashloop.commands.errors import exit_status
from crashloop.report.document import document_text, write_page

PRINTS = """
import atexit, ctypes, os, sys
from crashloop.report.document import reserved, write_document

atexit.register(print, "at the end")
with reserved():
    print("python")
    sys.__stdout__.write("the first stream\\n")
    ctypes.CDLL(None).puts(b"c")
    os.system("echo child")
    write_document({"one": 1})
"""

CLOSED = """
import os
from crashloop.commands.errors import exit_status
from crashloop.report.document import write_document

def run():
    os.system("echo child")
    write_document({})

exit_status(run, ["--json"])
"""


def test_what_is_printed_besides_the_document_goes_to_standard_error() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRINTS], capture_output=True, text=True, check=True, timeout=20
    )

    assert json.loads(done.stdout) == {"one": 1}
    said = {"python", "the first stream", "c", "child", "at the end"}
    assert {*done.stderr.splitlines()} == said


def test_the_document_stands_alone_where_the_caller_has_closed_the_other_streams() -> None:
    words = ["sh", "-c", 'exec "$0" -c "$1" <&- 2>&-', sys.executable, CLOSED]

    done = subprocess.run(words, stdout=subprocess.PIPE, check=True, timeout=20)

    assert done.stdout == b"{}\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")  # noqa: PTH110
def test_a_document_that_cannot_be_written_is_an_error_in_words() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "crashloop", "faults", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=20,
        )

    assert done.returncode == 12
    assert done.stderr.startswith("error: writing the result: No space left on device\n")


@pytest.mark.parametrize("option", ["--json", "--markdown"])
def test_a_command_that_prints_a_document_prints_nothing_else(
    capsys: pytest.CaptureFixture[str], option: str
) -> None:
    def run() -> None:
        print("hello")  # noqa: T201
        write_page("the document\n")

    assert exit_status(run, ["matrix", option]) == 0
    assert capsys.readouterr() == ("the document\n", "hello\n")


def test_a_number_that_json_does_not_have_is_null() -> None:
    text = document_text({"a": [float("nan"), 1.5], "b": {"c": float("inf")}, "d": (1,)})

    assert json.loads(text) == {"a": [None, 1.5], "b": {"c": None}, "d": [1]}
    assert "NaN" not in text
