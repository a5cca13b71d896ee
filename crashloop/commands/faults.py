"""`crashloop faults`: list the faults, or describe one."""

from __future__ import annotations

import inspect
import sys
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from crashloop.commands.page import print_json
from crashloop.engines.catalogue import DOCKER, ENGINES, engine_named
from crashloop.engines.docker.capability import LACKS, lacking
from crashloop.errors import CapabilityError
from crashloop.faults import KINDS, fault_kind
from crashloop.incidents import incident
from crashloop.incidents.fault_alone import PREFIX
from crashloop.report.lines import BLANK, Line, Span, Tone, line, paragraph
from crashloop.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from crashloop.faults.base import Fault

REAL, MODELLED, NOT_HERE = "real", "modelled", "not here"


def show_faults(name: str | None, *, as_json: bool) -> None:
    """List all faults, or describe one; UsageError for an unknown name."""
    chosen = list(KINDS.values()) if name is None else [fault_kind(name)]
    if as_json:
        documents = [document(one) for one in chosen]
        print_json(documents if name is None else documents[0])
        return
    terminal = Terminal(sys.stdout)
    width = terminal.width
    terminal.show(catalogue(chosen, width=width) if name is None else entry(chosen[0], width=width))


def standing(kind: type[Fault], engine: str) -> tuple[str, str]:
    """What the fault is on an engine, REAL, MODELLED or NOT_HERE, and why it is no real one."""
    if kind.alone is not None:
        try:
            scenario = incident(f"{PREFIX}{kind.kind}").scenario()
            engine_named(engine).require_possible(scenario)
        except CapabilityError as error:
            return NOT_HERE, error.message
    elif engine == DOCKER and kind.kind in LACKS:
        return NOT_HERE, lacking(kind.kind).message
    why = kind.modelled.get(engine, "")
    return (MODELLED, why) if why else (REAL, "")


def catalogue(kinds: Iterable[type[Fault]], *, width: int) -> Iterator[Line]:
    """Every fault with what it acts on, what it does, and where it is no real one."""
    for kind in kinds:
        yield line(Span(kind.kind, Tone.HEAD), Span(f"  {_acts_on(kind)}", Tone.DIM))
        yield from paragraph(does(kind), width=width)
        for engine in ENGINES:
            word, why = standing(kind, engine)
            if why:
                says = f"{engine}: {word}, {why}"
                yield from paragraph(says, width=width, tone=Tone.DIM)
    yield BLANK
    yield line(Span("crashloop faults NAME describes one in full", Tone.DIM))


def entry(kind: type[Fault], *, width: int) -> Iterator[Line]:
    """One fault: what it does where, its receipt, its signature, its neighbours, what to type."""
    yield line(Span(kind.kind, Tone.HEAD), Span(f"  {_acts_on(kind)}", Tone.DIM))
    yield from paragraph(does(kind), width=width)
    for head, texts in _sections(kind):
        yield BLANK
        yield line(Span(head, Tone.HEAD))
        for text in texts:
            yield from paragraph(text, width=width, indent="  - ", hanging="    ")
    if kind.alone is not None:
        yield BLANK
        command = f"crashloop reproduce --fault {kind.kind}"
        yield line(Span("Make it happen   ", Tone.HEAD), command)


def document(kind: type[Fault]) -> dict[str, Any]:
    """One fault, as JSON."""
    where = {engine: standing(kind, engine) for engine in ENGINES}
    found: dict[str, Any] = {
        "name": kind.kind,
        "does": does(kind),
        "acts_on": sorted(kind.acts_on),
        "transports": sorted(str(each) for each in kind.transports),
        "engines": {name: {"is": word, "why": why} for name, (word, why) in where.items()},
        "receipt": {"grade": str(kind.receipt.grade), "kinds": list(kind.receipt.kinds)},
        "parameters": [one.name for one in fields(kind)],
    }
    if kind.alone is not None:
        shows = [f"{one.check} {params_text(one.params)}".strip() for one in kind.alone.shows]
        found["shows"] = shows
        found["told_by"] = dict(kind.alone.told_by)
        found["ends"] = kind.alone.ends
    return found


def does(kind: type[Fault]) -> str:
    """What a fault does: the first paragraph of its class's text."""
    return " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())


def _acts_on(kind: type[Fault]) -> str:
    return ", ".join(sorted(kind.acts_on))


def _sections(kind: type[Fault]) -> Iterator[tuple[str, list[str]]]:
    where = {engine: standing(kind, engine) for engine in ENGINES}
    yield "Where", [f"{e}: {word}{', ' if why else ''}{why}" for e, (word, why) in where.items()]
    receipt = kind.receipt
    kinds = " or ".join(receipt.kinds)
    yield "Receipt", [f"{receipt.grade}: {kinds}{_where(receipt.where)}"]
    if names := [one.name for one in fields(kind)]:
        yield "Parameters", [", ".join(names)]
    if kind.alone is None:
        return
    shows = [f"{one.check}  {params_text(one.params)}".strip() for one in kind.alone.shows]
    yield "What it looks like", shows
    told_by = [f"{name}: by {check}" for name, check in kind.alone.told_by.items()]
    yield "What tells it from its neighbours", told_by
    yield "What ends it", [kind.alone.ends]


def _where(fields_of: Any) -> str:
    return f" with {params_text(fields_of)}" if fields_of else ""


def params_text(params: Any) -> str:
    """Parameters of a check, or fields of an event, in one line."""
    return ", ".join(
        f"{name}={' or '.join(map(str, value)) if isinstance(value, tuple) else value}"
        for name, value in params.items()
    )
