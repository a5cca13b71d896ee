"""How to run a scenario, and the command that runs it again."""

from __future__ import annotations

import secrets
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crashloop.clock import DEFAULT_SCALE, TimeScale
from crashloop.durations import plain
from crashloop.engines.catalogue import LOCAL
from crashloop.engines.local import LocalEngine
from crashloop.incidents import ELSEWHERE, find
from crashloop.model import ALONE, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from crashloop.engines.base import Engine
    from crashloop.model import Scenario
    from crashloop.trace.event import Event

MAX_SEED = 2**32 - 1

# Wall seconds on top of the scaled deadline for real work: cold starts on a slow, busy machine.
PATIENCE_S = 30.0


def new_seed() -> int:
    """A fresh seed; every random draw of a run comes from it."""
    return secrets.randbelow(MAX_SEED + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How to run a scenario: `artifacts` None chooses a new folder under ./crashloop-artifacts.

    `command` is what runs it again, if that is not the command line of `rerun_command`. `engine`
    is what it runs on; a test of the harness puts a broken one here. `app` names the entry of the
    user's own app, "" for the sample app; `config` is its file, if that was given. `slower` is how
    often `run_fairly` makes a run again whose scale is too large for this machine.
    """

    scale: TimeScale = field(default_factory=TimeScale)
    seed: int = field(default_factory=new_seed)
    artifacts: Path | None = None
    postgres_bin: Path | None = None
    command: str = ""
    patience_s: float = PATIENCE_S
    on_event: Callable[[Event], None] | None = None
    engine: type[Engine] = LocalEngine
    app: str = ""
    config: Path | None = None
    slower: int = 0


def rerun_command(scenario: Scenario, options: RunOptions, *, verb: str = "reproduce") -> str:
    """The command that makes the same run again, without options that have their defaults."""
    words = ["crashloop", verb, *_what(scenario.incident, verb)]
    if folder := ELSEWHERE.folder_of(scenario.incident):
        words += ["--incidents", str(folder)]
    if options.app:
        words += ["--app", options.app]
    if options.config is not None:
        words += ["--config", str(options.config)]
    words += _scale_words(scenario, options)
    words += ["--seed", str(options.seed)]
    if options.engine.name != LOCAL:
        words += ["--engine", options.engine.name]
    if options.postgres_bin is not None:
        words += ["--postgres-bin", str(options.postgres_bin)]
    if scenario.role is not Role.REPRODUCTION:
        words += ["--role", str(scenario.role)]
    if scenario.remedy and scenario.remedy != _usual_remedy(scenario):
        words += ["--remedy", scenario.remedy]
    ordinary_values = _ordinary_values(scenario)
    for name, value in scenario.params.items():
        if name not in ordinary_values or value != ordinary_values[name]:
            shown = plain(value) if isinstance(value, float) else value
            words += ["-p", f"{name}={shown}"]
    return shlex.join(words)


def _what(incident: str, verb: str) -> list[str]:
    """The words that name what is run: a fault alone has an option of `reproduce`."""
    if verb == "reproduce" and incident.startswith(ALONE):
        return ["--fault", incident.removeprefix(ALONE)]
    return [incident]


def _usual_remedy(scenario: Scenario) -> str:
    known = find(scenario.incident)
    return known.remedy.name if known else ""


def _scale_words(scenario: Scenario, options: RunOptions) -> list[str]:
    """The option of a time scale that is not the incident's own."""
    known = find(scenario.incident)
    if options.scale.factor == (known.ordinary_scale(scenario.app) if known else DEFAULT_SCALE):
        return []
    if options.scale.is_real_time:
        return ["--real-time"]
    return ["--time-scale", plain(options.scale.factor)]


def _ordinary_values(scenario: Scenario) -> Mapping[str, object]:
    """The parameters' values where none are given: the incident's, or those of the app's entry."""
    known, app = find(scenario.incident), scenario.app
    values = {name: each.default for name, each in known.parameters.items()} if known else {}
    own = {"platform": app.platform, "transport": app.transport} if scenario.is_own_app else {}
    return values | {name: text for name, text in own.items() if text and name in values}
