"""The app that a run starts: its command and environment as templates, and what it promises."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crashloop.model.journey import Journey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.model.trigger import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """When the app is ready: `GET path` answers 2xx with a JSON object that has all of `json`.

    An empty `path`: its port accepts a connection. Objects inside `json` are subsets, too.
    """

    path: str = ""
    json: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppUnderTest:
    """An app by name. `command` and the values of `env` are templates: see `crashloop.apps`.

    `knobs` are what incidents change, with the app's own defaults; those that end in `_s` are
    seconds of the incident. `timers` name variables of `env` with a literal number of seconds,
    which is scaled. `cwd` is the working folder; empty: a new one for each life. `phases` are the
    names that it logs for its start-up, in order. `venv` is the folder of its own virtual
    environment. `inherit_env` are patterns of variables that it gets from crashloop's environment.
    `masked_env` are variables whose values no trace may show. `source` is where its entry is.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = ""
    venv: str = ""
    inherit_env: tuple[str, ...] = ("PATH", "HOME", "LANG")
    masked_env: tuple[str, ...] = ()
    timers: tuple[str, ...] = ()
    knobs: Mapping[str, Value] = field(default_factory=dict)
    ready: Ready = field(default_factory=Ready)
    journey: Journey = field(default_factory=Journey)
    phases: tuple[str, ...] = ()
    source: str = ""
