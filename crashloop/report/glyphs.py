"""The characters that a timeline is drawn with, and what each means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """One character for each meaning; different ones, so that colour is never needed."""

    boot: str
    completed: str
    failed: str
    degraded: str
    running: str
    cut: str
    serving: str
    held: str
    waiting: str
    fault: str
    unplugged: str
    healed: str
    serves: str
    ready: str
    died: str
    probe_failed: str
    try_passed: str
    try_failed: str
    killed: str
    tick: str
    healed_line: str
    holds: str
    refuted: str
    nothing: str
    dot: str


UNICODE = Glyphs(
    boot="┄",
    completed="━",
    failed="█",
    degraded="▒",
    running="░",
    cut="╍",
    serving="═",
    held="▓",
    waiting="─",
    fault="▄",
    unplugged="╌",
    healed="◆",
    serves="○",
    ready="●",
    died="✗",
    probe_failed="▼",
    try_passed="✓",
    try_failed="▽",
    killed="†",
    tick="╷",
    healed_line="┊",
    holds="✓",
    refuted="✗",
    nothing="?",
    dot="·",
)

ASCII = Glyphs(
    boot=".",
    completed="=",
    failed="#",
    degraded="%",
    running="~",
    cut="-",
    serving="_",
    held="w",
    waiting=",",
    fault="^",
    unplugged="'",
    healed="H",
    serves="o",
    ready="R",
    died="x",
    probe_failed="!",
    try_passed="+",
    try_failed="v",
    killed="K",
    tick="'",
    healed_line=":",
    holds="+",
    refuted="x",
    nothing="?",
    dot="-",
)


def glyphs_for(encoding: str | None) -> Glyphs:
    """Unicode's if the stream can take them, else ASCII's."""
    try:
        "".join(getattr(UNICODE, name) for name in UNICODE.__slots__).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE
