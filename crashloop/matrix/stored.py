"""Traces that earlier runs have left, by the name of what was run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from crashloop.apps import sample_app
from crashloop.model import Role
from crashloop.report.clean import mapping
from crashloop.run import TRACE_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from crashloop.model import Scenario

MAX_HEADER_BYTES = 1 << 22
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


def stored(folders: Iterable[Path]) -> dict[str, list[Path]]:
    """The traces of reproductions anywhere below the folders, by name, the newest first."""
    found: dict[str, list[tuple[str, Path]]] = {}
    for folder in folders:
        for path in sorted(folder.rglob(TRACE_FILE)):
            header = _header(path)
            scenario = mapping(header.get("scenario"))
            if scenario.get("role") == str(Role.REPRODUCTION):
                name = str(scenario.get("incident"))
                found.setdefault(name, []).append((str(header.get("at")), path))
    return {
        name: [path for _, path in sorted(each, key=lambda one: one[0], reverse=True)]
        for name, each in found.items()
    }


def is_run_of(header: Mapping[str, Any], scenario: Scenario) -> bool:
    """Whether a run with this header would be made in the same way today.

    The signature does not count: a trace is judged by today's. Neither does a knob that the app did
    not have then, where it has its default now.
    """
    recorded, today = mapping(header.get("scenario")), scenario.to_json()
    knobs = mapping(mapping(recorded.get("app")).get("knobs"))
    is_same = all(recorded.get(name, False) == today[name] for name in _SAME)
    return is_same and {**sample_app().knobs, **knobs} == today["app"]["knobs"]


def _header(path: Path) -> dict[str, Any]:
    """The first line of a trace; empty if it is none."""
    try:
        with path.open("rb") as file:
            return mapping(json.loads(file.readline(MAX_HEADER_BYTES)))
    except (OSError, ValueError, RecursionError):
        return {}
