"""How a fault is run alone, under the sample app, and what it then looks like."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crashloop.model import CheckSpec, Transport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crashloop.model import Probe, Value

DEATHS = 2
"""How often the app dies of a fault before it is healed, in a run of the fault alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """A run of the sample app under one fault alone.

    `target` is what the fault acts on, `phase` the start-up phase that meets it, `params` are the
    fault's own. `knobs` are the app's, `settings` the target's, `pooler` its pooler's mode. The
    fault is injected before the app starts, and healed at its `deaths`-th death, or `heal_s` after
    the start of the phase; in seconds of the incident. With no deaths, the app lives with it.

    `shows` is what the run looks like, besides its receipts. `told_by` names for each neighbour,
    another fault that could be taken for it, the check of `shows` that the neighbour's run refutes.
    `ends` is what ends such an outage, in words. `comes`: a connection of the app's own shows that
    it came to the target. `each_life`: it is injected again in each life, when the phase begins
    there, until the last of the `deaths`. `by_name`: it reaches the target by a name, not by an
    address. `platform` restarts the app, with the probe `startup`. `own`: what has to be given for
    another app, an example and words, where `params` name something of the sample app's. `either`:
    parameters of which one is given. `example`: amounts that differ from the usual ones, to show
    how to give them.
    """

    target: str
    shows: tuple[CheckSpec, ...]
    told_by: Mapping[str, str]
    ends: str
    phase: str = "database"
    params: Mapping[str, Value] = field(default_factory=dict)
    own: str = ""
    either: tuple[str, ...] = ()
    example: Mapping[str, Value] = field(default_factory=dict)
    knobs: Mapping[str, Value] = field(default_factory=dict)
    settings: Mapping[str, Value] = field(default_factory=dict)
    transport: Transport = Transport.UNIX
    pooler: str = ""
    deaths: int = DEATHS
    heal_s: float = 90.0
    limit_s: float = 20.0
    comes: bool = True
    each_life: bool = False
    by_name: bool = False
    platform: str = "docker:on-failure:6"
    startup: Probe | None = None
    time_scale: float = 20.0


def dies(phase: str, errors: Sequence[str], *, at_limit: bool) -> tuple[CheckSpec, ...]:
    """The checks that the app dies in the phase, with one of `errors`, and is back afterwards."""
    failed = {"phase": phase, "times": DEATHS, "errors": tuple(errors), "at_limit": at_limit}
    return (
        CheckSpec(check="phase_failed", params=failed),
        CheckSpec(check="exit_code", params={"code": 3, "times": DEATHS}),
        CheckSpec(check="last_phase", params={"phase": phase}),
        CheckSpec(check="recovered", params={"phase": phase}),
    )


def fails_at_once(phase: str, *errors: str) -> tuple[CheckSpec, ...]:
    """The checks that the app dies in the phase without waiting, with one of `errors`."""
    return (
        *dies(phase, errors, at_limit=False),
        CheckSpec(check="fails_at_once", params={"phase": phase}),
    )
