"""The app that a run starts: its command and environment as templates, and what it promises."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from crashloop.model.journey import Journey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.model.journey import Step
    from crashloop.model.trigger import Value

PortRule = Literal["report", "allow", "forbid"]
"""What an app's port that opens before the app is ready means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """When the app is ready.

    `path`: `GET path` answers 2xx with a JSON object that has all of `json`; objects inside `json`
    are subsets, too. `log`: a line of its output matches this regular expression. Neither: its port
    accepts a connection. It is asked every `every_s` wall seconds, and has `within_s` wall seconds
    to become ready without a fault.
    """

    path: str = ""
    json: Mapping[str, Any] = field(default_factory=dict)
    log: str = ""
    every_s: float = 0.5
    within_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRemedy:
    """What the user would change to survive an outage: variables, knobs, the command, the platform.

    An empty command or platform stays as it is. `says` is what it does, in words.
    """

    says: str = ""
    knobs: Mapping[str, Value] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    platform: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppUnderTest:
    """An app by name. `command` and the values of `env` are templates: see `crashloop.apps`.

    How it is started: `cwd` is the working folder; empty: a new one for each life. `venv` is the
    folder of its own virtual environment. `image`, or the folder `build`, is used on Docker.
    `inherit_env` are patterns of variables that it gets from crashloop's environment. `masked_env`
    are variables whose values no trace may show. `wrap` is an ASGI app, `module:name`, that a
    wrapper logs the lifespan of. `setup` is a command that is run once before its first life.

    What it needs: `dependencies` are kinds of them; `services` are other TCP services by name, each
    with its `host:port`. `transport` is how it reaches Postgres; empty: as in the incident.

    What is scaled: `knobs` are what incidents change, with the app's own defaults; those that end
    in `_s` are seconds of the incident. `timers` name variables of `env` with a literal number of
    seconds.

    What it promises: `ready`, and `journey`, what a user does; `before` are steps that are taken
    before any fault and whose data must be there at the end. `phases` are the names that it logs
    for its start-up, in order. `exit_codes` are those that count as a death; empty: any.
    `recover_within_s` seconds after the heal it must be back; 0: as long as its platform may need.

    `platform` is what restarts it; empty: the incident's. `remedies` are the user's own. `source`
    is where its entry is.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = ""
    venv: str = ""
    image: str = ""
    build: str = ""
    wrap: str = ""
    setup: tuple[str, ...] = ()
    inherit_env: tuple[str, ...] = ("PATH", "HOME", "LANG")
    masked_env: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ("postgres", "redis")
    services: Mapping[str, str] = field(default_factory=dict)
    transport: str = ""
    timers: tuple[str, ...] = ()
    knobs: Mapping[str, Value] = field(default_factory=dict)
    ready: Ready = field(default_factory=Ready)
    journey: Journey = field(default_factory=Journey)
    before: tuple[Step, ...] = ()
    phases: tuple[str, ...] = ()
    exit_codes: tuple[int, ...] = ()
    port_before_ready: PortRule = "report"
    platform: str = ""
    recover_within_s: float = 0.0
    remedies: Mapping[str, OwnRemedy] = field(default_factory=dict)
    source: str = ""
