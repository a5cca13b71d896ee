"""One incident in full: what happened, how it shows itself, what it is not, and what ends it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from crashloop.commands.faults import does, params_text
from crashloop.commands.standing import standing_of
from crashloop.engines.catalogue import ENGINES
from crashloop.faults import fault_kind
from crashloop.incidents import ELSEWHERE
from crashloop.incidents.symptoms import shown
from crashloop.plural import counted
from crashloop.report.lines import BLANK, Line, Span, Tone, command_lines, line, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from crashloop.incidents.incident import Incident
    from crashloop.incidents.parameter import Parameter
    from crashloop.incidents.remedy import Remedy
    from crashloop.model import Outage


def story(incident: Incident, *, width: int) -> Iterator[Line]:
    """Everything about one incident, and what to type."""
    yield line(Span(incident.name, Tone.HEAD))
    yield from paragraph(incident.title, width=width)
    yield from paragraph(f"source: {incident.source}", width=width, tone=Tone.DIM, hanging=" " * 10)
    for head, texts in _sections(incident):
        if not texts:
            continue
        yield BLANK
        yield line(Span(head, Tone.HEAD))
        for text in texts:
            yield from paragraph(text, width=width, indent="  - ", hanging="    ")
    yield BLANK
    yield from _parameters(incident, width=width)
    yield BLANK
    scale = f"x{incident.time_scale:g}, unless --time-scale or --real-time says otherwise"
    yield line(Span("Time scale       ", Tone.HEAD), scale)
    folder = ELSEWHERE.folder_of(incident.name)
    where = f" --incidents {folder}" if folder else ""
    for head, verb in (("Make it happen   ", "reproduce"), ("Prove it         ", "prove")):
        yield from command_lines(head, f"crashloop {verb} {incident.name}{where}", width=width)


def document(incident: Incident) -> dict[str, Any]:
    """Everything about one incident, as JSON."""
    how, outage = shown(incident), _outage(incident)
    return {
        "name": incident.name,
        "title": incident.title,
        "source": incident.source,
        "facts": list(incident.facts),
        "platforms": list(how.platforms),
        "phase": how.phase,
        "symptoms": list(how.symptoms),
        "errors": list(how.errors),
        "faults": [
            {"kind": each.kind, "target": each.target, "params": dict(each.params)}
            for each in outage.faults
        ],
        "signature": [
            {"check": spec.check, "params": dict(spec.params)}
            for spec in incident.expect(incident.defaults)
        ],
        "parameters": {name: _parameter(p) for name, p in incident.parameters.items()},
        "time_scale": incident.time_scale,
        "look_alikes": [asdict(one) for one in incident.look_alikes],
        "overlaps": dict(incident.overlaps),
        "remedy": _remedy_document(incident.remedy),
        "other_remedies": [_remedy_document(each) for each in incident.others],
        "engines": {
            engine: {"is": word, "why": why}
            for engine in ENGINES
            for word, why in [standing_of(incident, engine)]
        },
    }


def _remedy_document(remedy: Remedy) -> dict[str, Any]:
    return {"name": remedy.name, "says": remedy.says, "knobs": dict(remedy.knobs)}


def _sections(incident: Incident) -> Iterator[tuple[str, list[str]]]:
    how, outage = shown(incident), _outage(incident)
    here = f"its reports name no platform; it runs here on {outage.platform.name}"
    seen = f"seen on {', '.join(how.platforms)}" if how.platforms else here
    yield "What happened", [seen, *incident.facts]
    signs = [
        f"{spec.check}  {params_text(spec.params)}".strip()
        for spec in incident.expect(incident.defaults)
    ]
    yield "What it looks like, by the checks of its signature", signs
    yield (
        "Look-alikes: what it is mistaken for",
        [f"{one.says} (ruled out by {one.ruled_out_by})" for one in incident.look_alikes],
    )
    yield "What truly looks like it", [f"{n}: {why}" for n, why in incident.overlaps.items()]
    yield "What ends it", [*_remedies(incident)]
    yield "What crashloop does to the app", [*_done(outage)]
    where = {engine: standing_of(incident, engine) for engine in ENGINES}
    standing = [f"{e}: {word}{', ' if why else ''}{why}" for e, (word, why) in where.items()]
    yield "Where it can be run", standing


def _outage(incident: Incident) -> Outage:
    return incident.outage(incident.defaults)


def _remedies(incident: Incident) -> Iterator[str]:
    """Each remedy with what it changes, the one first that the proof tries."""
    yield from _remedy(incident.remedy, tried_by="the proof")
    for other in incident.others:
        yield from _remedy(other, tried_by=f"`--remedy {other.name}`")


def _remedy(remedy: Remedy, *, tried_by: str) -> Iterator[str]:
    changes = [f"{name} = {_value(value)}" for name, value in remedy.knobs.items()]
    changes += [f"{n} = {_value(v)} in the old revision" for n, v in remedy.old_knobs.items()]
    changes += ["another platform or other probes"] if remedy.platform else []
    changes += ["another course of the fault"] if remedy.fault else []
    yield f"{remedy.name}: {remedy.says}"
    if changes:
        yield f"{tried_by} tries it by {', '.join(changes)}"


def _done(outage: Outage) -> Iterator[str]:
    """Each fault with its times, what of the app is set, and what restarts it."""
    for each in outage.faults:
        params = f" ({params_text(each.params)})" if each.params else ""
        yield f"{each.kind}{params} at {each.target}: {does(fault_kind(each.kind))}"
        yield f"from: {each.inject}; until: {each.heal}"
    if outage.knobs:
        yield f"knobs: {', '.join(f'{n} = {_value(v)}' for n, v in outage.knobs.items())}"
    replicas = outage.replicas
    old = f", and {replicas.overlap} of the old revision" if replicas.overlap else ""
    yield f"{counted(replicas.count, 'instance')}{old}, on {outage.platform.name}"


def _parameters(incident: Incident, *, width: int) -> Iterator[Line]:
    yield line(Span("Parameters", Tone.HEAD), Span("  --param NAME=VALUE", Tone.DIM))
    room = max((len(name) for name in incident.parameters), default=0) + 4
    for name, parameter in incident.parameters.items():
        says = f"{parameter.says}; default {_value(parameter.default)}{_bounds(parameter)}"
        first, *rest = paragraph(says, width=width - room, indent="")
        yield line(Span(f"  {name:{room - 2}}", Tone.GOOD), *first)
        for one in rest:
            yield line(" " * room, *one)


def _parameter(parameter: Parameter) -> Mapping[str, Any]:
    found: dict[str, Any] = {"default": parameter.default, "says": parameter.says}
    if parameter.choices:
        found["choices"] = list(parameter.choices)
    elif not isinstance(parameter.default, str):
        found |= {"low": parameter.low, "high": parameter.high}
    return found


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _bounds(parameter: Parameter) -> str:
    if parameter.choices:
        return f"; one of {', '.join(parameter.choices)}"
    if isinstance(parameter.default, str):
        return ""
    return f"; {parameter.low:g} to {parameter.high:g}"
