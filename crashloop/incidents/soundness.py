"""What an incident's record must have before anything is run."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.apps import sample_app, with_knobs
from crashloop.apps.table import known_names
from crashloop.clock import TimeScale
from crashloop.errors import CapabilityError, UsageError
from crashloop.faults import KINDS, REPLICAS
from crashloop.incidents.asked import require_possible
from crashloop.incidents.fault_alone import PREFIX
from crashloop.incidents.incident import Incident
from crashloop.incidents.named import require_outage
from crashloop.incidents.parameter import read_params
from crashloop.incidents.types import require_types
from crashloop.model import Role
from crashloop.platforms import PLATFORMS, probes
from crashloop.trace.event import MAX_REPLICAS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crashloop.model import Outage

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
NAME_HINT = "use lower-case letters and digits, with - between words, as in cache-still-loading"


def require_sound(made: object) -> Incident:
    """The incident that was made; UsageError that says what its record lacks.

    That its control run is healthy, and what the engine can do, only a run shows.
    """
    require_types(made, Incident.__name__, "its INCIDENT")
    assert isinstance(made, Incident)
    if not NAME.fullmatch(made.name):
        raise UsageError(f"its name cannot be {made.name!r}", hint=NAME_HINT)
    _require_words(made)
    for name in made.platforms:
        if name not in PLATFORMS:
            raise UsageError(f"its platform {name!r} is unknown", hint=known_names(name, PLATFORMS))
    _require_faults_alone(made)
    _require_numbers(made)
    outage, expect = made.outage(made.defaults), made.expect(made.defaults)
    _require_outage(outage)
    for spec in expect:
        require_possible("its signature", spec)
    try:
        phases = sample_app().phases
    except CapabilityError:  # no sample app here: an app of the user's own is still possible
        require_outage(outage, expect, ())
        return made
    require_outage(outage, expect, phases)
    remedied = [replace(made, remedy=each, others=()) for each in (made.remedy, *made.others)]
    for scenario in (made.scenario(), *(each.scenario(Role.REMEDY) for each in remedied)):
        probes.require_sound(scenario.platform, scenario.app)
        with_knobs(scenario.app, scenario.replicas.old_knobs)
    return made


def _require_words(made: Incident) -> None:
    """Refuse a record without what nobody can do without, and an empty text in it."""
    needed = [*_needed(made)]
    lacking = [(part, hint) for part, texts, hint in needed if not any(map(str.strip, texts))]
    if lacking:
        raise UsageError(
            f"it has no {', no '.join(part for part, _ in lacking)}",
            hint="; ".join(hint for _, hint in lacking),
        )
    for part, texts, _ in needed:
        _require_none_empty(part, texts)
    remedies = [one.name for one in (made.remedy, *made.others)]
    if len(set(remedies)) < len(remedies):
        raise UsageError(
            f"its remedies are called {', '.join(map(repr, remedies))}",
            hint="give each a name of its own: --remedy NAME tries it",
        )
    _require_none_empty("other remedies", [t for one in made.others for t in (one.name, one.says)])
    _require_none_empty("overlaps", [*made.overlaps, *made.overlaps.values()])
    _require_none_empty("parameters", [one.says for one in made.parameters.values()])


def _needed(made: Incident) -> Iterator[tuple[str, Sequence[str], str]]:
    """What it is called, its texts, and what to write."""
    yield "title", (made.title,), "say in one line what happens"
    yield (
        "source",
        (made.source,),
        "name the public report and its date, as in github.com/OWNER/NAME issue 1 (2026-01-31)",
    )
    yield "facts", made.facts, "say what the report says: figures, error lines, what ended it"
    yield (
        "look-alike",
        [text for one in made.look_alikes for text in (one.says, one.ruled_out_by)],
        "name an outage that it can be taken for, and the check that rules that one out",
    )
    yield (
        "remedy",
        (made.remedy.name, made.remedy.says),
        "name what would have ended it: knobs, or a platform",
    )


def _require_none_empty(part: str, texts: Sequence[str]) -> None:
    if not all(text.strip() for text in texts):
        raise UsageError(f"its {part} has an empty text", hint="fill it in, or take it out")


def _require_faults_alone(made: Incident) -> None:
    """Refuse an overlap with a fault that does not exist; the matrix knows the other incidents."""
    alone = [f"{PREFIX}{kind}" for kind, found in KINDS.items() if found.alone is not None]
    for name in made.overlaps:
        if name.startswith(PREFIX) and name not in alone:
            raise UsageError(
                f"it overlaps with {name!r}, which is no fault that is run alone",
                hint=known_names(name, alone),
            )


def _require_numbers(made: Incident) -> None:
    TimeScale(factor=made.time_scale)
    for name, one in made.parameters.items():
        if not (math.isfinite(one.low) and math.isfinite(one.high) and one.low <= one.high):
            raise UsageError(
                f"its parameter {name} goes from {one.low:g} to {one.high:g}",
                hint="give two numbers, low and high",
            )
    read_params("its comparison", made.parameters, made.compared.params)
    first_s, last_s = made.compared.heal_s
    if not 0 <= first_s <= last_s < math.inf:
        raise UsageError(
            f"its comparison is healed between {first_s:g} and {last_s:g} s",
            hint="give two numbers of seconds, the smaller one first",
        )


def _require_outage(outage: Outage) -> None:
    """Refuse an outage of nothing or about nothing, and numbers that mean nothing."""
    targets = [*(each.name for each in outage.dependencies), REPLICAS]
    if outage.target not in targets:
        raise UsageError(
            f"it is about {outage.target!r}, which is none of its dependencies",
            hint=known_names(outage.target, targets),
        )
    if not 0 < outage.deadline_s < math.inf:
        raise UsageError(
            f"its deadline_s is {outage.deadline_s:g}", hint="give a number of seconds, above 0"
        )
    replicas = outage.replicas
    are_whole = isinstance(replicas.count, int) and isinstance(replicas.overlap, int)
    if (
        not (are_whole and 1 <= replicas.count <= MAX_REPLICAS and replicas.overlap >= 0)
        or not 0 <= replicas.stagger_s < math.inf
    ):
        raise UsageError(
            f"{replicas.count} replicas, {replicas.overlap} of an old revision, each "
            f"{replicas.stagger_s:g} s after the one before: that is not possible",
            hint=f"replicas count from 1 to {MAX_REPLICAS}; the other two are 0 or more",
        )
    names = [fault.name for fault in outage.faults]
    if not names:
        raise UsageError("it has no fault", hint="plan one: `crashloop faults` lists them")
    if not all(names) or len(set(names)) < len(names):
        raise UsageError(
            f"its faults are called {', '.join(map(repr, names))}",
            hint="give each fault a name of its own: a receipt is found by it",
        )
