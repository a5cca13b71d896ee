"""JSON text as Go's encoding/json writes it: compact, in UTF-8, safe to stand in HTML."""

from __future__ import annotations

import json
import re
from typing import Any

_ESCAPED = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}
_TO_ESCAPE = re.compile("[<>&\u2028\u2029]")
_HALF_A_PAIR = re.compile("[\ud800-\udfff]")
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def dumps(document: Any) -> bytes:
    """The text of a document; half a surrogate pair becomes U+FFFD, as in Go."""
    text = _TO_ESCAPE.sub(lambda found: _ESCAPED[found.group()], _ENCODER.encode(document))
    return mended(text).encode()


def mended(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair, so that it can be encoded."""
    return _HALF_A_PAIR.sub("\ufffd", text) if not text.isascii() else text
