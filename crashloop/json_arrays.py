"""A file that is one JSON array of objects, item by item: it is never held whole."""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING, BinaryIO

from crashloop.logs.entry import Line

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ITEM_CHARS = 4_000_000
"""What is longer is no entry of a log: the rest of the file is left out."""
_CHUNK_BYTES = 1_000_000
_BEGIN = re.compile(rb"\s*\[\s*(?:\{|$)")
_BETWEEN = re.compile(r"[\s,\[]*")
_DECODER = json.JSONDecoder()


def is_array(head: bytes) -> bool:
    """Whether a file's first line begins an array of objects."""
    return _BEGIN.match(head) is not None


def array_items(name: str, head: bytes, source: BinaryIO) -> Iterator[Line]:
    """Each object as one line, numbered as the line that it begins in.

    What follows the last whole object, such as one that is cut off, is one more line.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text, number, is_whole = decoder.decode(head), 1, False
    while text:
        start = _BETWEEN.match(text)
        begin = start.end() if start else 0
        number += text.count("\n", 0, begin)
        text = text[begin:]
        done = 0
        while text.startswith("{", done):
            try:
                _, end = _DECODER.raw_decode(text, done)
            except (ValueError, RecursionError):
                break
            yield Line(name, number, text[done:end])
            between = _BETWEEN.match(text, end)
            after = between.end() if between else end
            number += text.count("\n", done, after)
            done = after
        text = text[done:]
        if is_whole or text.startswith("]") or len(text) > MAX_ITEM_CHARS:
            break
        more = source.read(_CHUNK_BYTES)
        is_whole = not more
        text += decoder.decode(more, is_whole)
    if text.strip(" \r\n\t]"):
        yield Line(name, number, text[:MAX_ITEM_CHARS])
