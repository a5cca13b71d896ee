"""A reader of the output that goes away."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crashloop.commands.errors import exit_status
from crashloop.report.document import discard, write_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DESCRIPTORS = Path("/proc/self/fd")
pytestmark = pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="descriptors are counted in /proc")


@contextlib.contextmanager
def unread() -> Iterator[None]:
    """While entered, standard output is a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w", encoding="utf-8")
    with contextlib.redirect_stdout(stream):
        yield
    stream.close()  # raises BrokenPipeError if the text that is left was not discarded


def written() -> None:
    sys.stdout.write("lost")
    discard(sys.stdout)


def failed() -> None:
    assert exit_status(lambda: sys.stdout.write("lost") * 0, []) > 0


@pytest.mark.parametrize("writes", [written, lambda: write_document({"for": "nobody"}), failed])
def test_what_nobody_reads_is_discarded_and_leaves_no_descriptor_open(
    writes: Callable[[], None],
) -> None:
    before = len(list(DESCRIPTORS.iterdir()))
    with unread():
        writes()

    assert len(list(DESCRIPTORS.iterdir())) == before
