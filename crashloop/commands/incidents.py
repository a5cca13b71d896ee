"""`crashloop incidents`: list the incidents, or describe one."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from crashloop.commands.page import print_json
from crashloop.incidents import INCIDENTS, incident
from crashloop.report.lines import BLANK, Line, Span, Tone, line, paragraph
from crashloop.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from crashloop.incidents.incident import Incident
    from crashloop.incidents.parameter import Parameter


def show_incidents(name: str | None, *, as_json: bool) -> None:
    """List all incidents, or describe one; UsageError for an unknown name."""
    chosen = [INCIDENTS[key] for key in sorted(INCIDENTS)] if name is None else [incident(name)]
    if as_json:
        documents = [document(one) for one in chosen]
        print_json(documents if name is None else documents[0])
        return
    terminal = Terminal(sys.stdout)
    width = terminal.width
    terminal.show(catalogue(chosen, width=width) if name is None else entry(chosen[0], width=width))


def catalogue(incidents: Iterable[Incident], *, width: int) -> Iterator[Line]:
    """Every incident with its title and source."""
    for one in incidents:
        yield line(Span(one.name, Tone.HEAD))
        yield from paragraph(one.title, width=width)
        yield from paragraph(f"source: {one.source}", width=width, tone=Tone.DIM)
    yield BLANK
    yield line(Span("crashloop incidents NAME describes one in full", Tone.DIM))


def entry(incident: Incident, *, width: int) -> Iterator[Line]:
    """One incident: source, facts, parameters, look-alikes, remedy, and what to type."""
    yield line(Span(incident.name, Tone.HEAD))
    yield from paragraph(incident.title, width=width)
    yield from paragraph(f"source: {incident.source}", width=width, tone=Tone.DIM)
    for head, texts in (
        ("Facts", incident.facts),
        (
            "Look-alikes, which are different outages",
            [f"{one.says} (ruled out by {one.ruled_out_by})" for one in incident.look_alikes],
        ),
        ("Remedy that a proof tries", [f"{incident.remedy.name}: {incident.remedy.says}"]),
    ):
        yield BLANK
        yield line(Span(head, Tone.HEAD))
        for text in texts:
            yield from paragraph(text, width=width, indent="  - ", hanging="    ")
    yield BLANK
    yield line(Span("Parameters", Tone.HEAD), Span("  --param NAME=VALUE", Tone.DIM))
    room = max((len(name) for name in incident.parameters), default=0) + 4
    for name, parameter in incident.parameters.items():
        says = f"{parameter.says}; default {_value(parameter.default)}{_bounds(parameter)}"
        first, *rest = paragraph(says, width=width - room, indent="")
        yield line(Span(f"  {name:{room - 2}}", Tone.GOOD), *first)
        for one in rest:
            yield line(" " * room, *one)
    yield BLANK
    scale = f"x{incident.time_scale:g}, unless --time-scale or --real-time says otherwise"
    yield line(Span("Time scale       ", Tone.HEAD), scale)
    yield line(Span("Make it happen   ", Tone.HEAD), f"crashloop reproduce {incident.name}")
    yield line(Span("Prove it         ", Tone.HEAD), f"crashloop prove {incident.name}")


def document(incident: Incident) -> dict[str, Any]:
    """One incident: source, facts, parameters with bounds, look-alikes, remedy."""
    return {
        "name": incident.name,
        "title": incident.title,
        "source": incident.source,
        "facts": list(incident.facts),
        "parameters": {name: _parameter(p) for name, p in incident.parameters.items()},
        "time_scale": incident.time_scale,
        "look_alikes": [asdict(one) for one in incident.look_alikes],
        "remedy": {"name": incident.remedy.name, "says": incident.remedy.says},
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
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
