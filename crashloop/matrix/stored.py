"""Traces that earlier runs have left, by the name of what was run."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crashloop.apps import sample_app
from crashloop.errors import UsageError
from crashloop.model import Role
from crashloop.report.clean import mapping
from crashloop.run import TRACE_FILE
from crashloop.trace.reader import read_header

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from crashloop.model import Scenario

_SAME = (
    "incident",
    "role",
    "params",
    "dependencies",
    "platform",
    "replicas",
    "faults",
    "phase",
    "deadline_s",
    "journey_after_heal",
    "is_own_app",
)
"""What makes two scenarios the same outage of the same app, besides the app's knobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Traces by the name of what was run, the newest first, and what is none: why, by its path."""

    traces: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)


def stored(folders: Iterable[Path]) -> Stored:
    """The traces of reproductions anywhere below the folders."""
    found: dict[str, list[tuple[str, Path]]] = {}
    unusable: dict[str, str] = {}
    for path in _files(folders, unusable):
        try:
            header = read_header(path)
        except UsageError as error:
            unusable[str(path)] = error.message
            continue
        scenario = mapping(header.get("scenario"))
        if scenario.get("role") == str(Role.REPRODUCTION):
            name = str(scenario.get("incident"))
            found.setdefault(name, []).append((str(header.get("at")), path))
    traces = {
        name: [path for _, path in sorted(each, key=lambda one: one[0], reverse=True)]
        for name, each in found.items()
    }
    return Stored(traces=traces, unusable=unusable)


def _files(folders: Iterable[Path], unusable: dict[str, str]) -> Iterator[Path]:
    """What is called as a trace is, and in `unusable` the folders that cannot be read."""

    def on_error(error: OSError) -> None:
        unusable[error.filename] = f"cannot read {error.filename}: {error.strerror}"

    for folder in folders:
        for parent, within, files in os.walk(folder, onerror=on_error):
            within.sort()
            if TRACE_FILE in (*within, *files):
                yield Path(parent) / TRACE_FILE


def is_run_of(header: Mapping[str, Any], scenario: Scenario) -> bool:
    """Whether a run with this header would be made in the same way today.

    The signature does not count: a trace is judged by today's. Neither does a knob that the app did
    not have then, where it has its default now.
    """
    recorded, today = mapping(header.get("scenario")), scenario.to_json()
    knobs = mapping(mapping(recorded.get("app")).get("knobs"))
    is_same = all(recorded.get(name, False) == today[name] for name in _SAME)
    return is_same and {**sample_app().knobs, **knobs} == today["app"]["knobs"]
