"""Text from others, made safe to stand in Markdown. Pure."""

from __future__ import annotations

import re

from crashloop.report.clean import clean

MAX_CHARS = 500
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")


def markdown(text: str) -> str:
    """The text as Markdown shows it, on one line of at most 500 characters."""
    return _SPECIAL.sub(r"\\\1", clean(text, MAX_CHARS))
