"""`crashloop faults`: list the faults, or describe one."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any

from crashloop.commands import fault_parameters
from crashloop.commands.standing import REAL, not_installed, standing
from crashloop.engines.catalogue import ENGINES
from crashloop.faults import KINDS, fault_kind
from crashloop.report.document import write_document
from crashloop.report.lines import BLANK, Line, Span, Tone, command_lines, line, paragraph
from crashloop.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from crashloop.faults.base import Fault


def show_faults(name: str | None, *, as_json: bool) -> None:
    """List all faults, or describe one; UsageError for an unknown name."""
    chosen = list(KINDS.values()) if name is None else [fault_kind(name)]
    if as_json:
        documents = [document(one) for one in chosen]
        write_document(documents if name is None else documents[0])
        return
    terminal = Terminal(sys.stdout)
    width = terminal.width
    terminal.show(catalogue(chosen, width=width) if name is None else entry(chosen[0], width=width))


def catalogue(kinds: Iterable[type[Fault]], *, width: int) -> Iterator[Line]:
    """Every fault with what it acts on, what it does, and where it is no real one."""
    for kind in kinds:
        yield line(Span(kind.kind, Tone.HEAD), Span(f"  {_acts_on(kind)}", Tone.DIM))
        yield from paragraph(does(kind), width=width)
        for engine in ENGINES:
            word, why = standing(kind, engine)
            if word != REAL:
                yield from paragraph(f"{engine}: {word}, {why}", width=width, tone=Tone.DIM)
    yield BLANK
    for missing in filter(None, map(not_installed, ENGINES)):
        yield from paragraph(missing, width=width, indent="", tone=Tone.DIM)
    yield line(Span("crashloop faults NAME describes one in full", Tone.DIM))


def entry(kind: type[Fault], *, width: int) -> Iterator[Line]:
    """One fault: what it does where, its receipt, its signature, its neighbours, what to type."""
    yield line(Span(kind.kind, Tone.HEAD), Span(f"  {_acts_on(kind)}", Tone.DIM))
    for text in says(kind):
        yield from paragraph(text, width=width)
    for head, texts in _sections(kind):
        yield BLANK
        yield line(Span(head, Tone.HEAD))
        for text in texts:
            yield from paragraph(text, width=width, indent="  - ", hanging="    ")
    yield from _parameters(kind, width=width)
    yield BLANK
    yield line(Span("Make it happen", Tone.HEAD))
    for command in fault_parameters.commands(kind):
        yield from command_lines("  ", command, width=width)


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
        "parameters": fault_parameters.document(kind),
        "commands": fault_parameters.commands(kind),
    }
    if kind.alone is not None:
        shows = [f"{one.check} {params_text(one.params)}".strip() for one in kind.alone.shows]
        found["shows"] = shows
        found["told_by"] = dict(kind.alone.told_by)
        found["ends"] = kind.alone.ends
    return found


def does(kind: type[Fault]) -> str:
    """What a fault does: the first paragraph of its class's text."""
    return says(kind)[0]


def says(kind: type[Fault]) -> list[str]:
    """The paragraphs of the text of a fault's class."""
    return [" ".join(each.split()) for each in (inspect.getdoc(kind) or "").split("\n\n")]


def _acts_on(kind: type[Fault]) -> str:
    return ", ".join(sorted(kind.acts_on))


def _sections(kind: type[Fault]) -> Iterator[tuple[str, list[str]]]:
    where = {engine: standing(kind, engine) for engine in ENGINES}
    missing = [*filter(None, map(not_installed, ENGINES))]
    standings = [f"{e}: {word}{', ' if why else ''}{why}" for e, (word, why) in where.items()]
    yield "Where", [*standings, *missing]
    receipt = kind.receipt
    kinds = " or ".join(receipt.kinds)
    yield "Receipt", [f"{receipt.grade}: {kinds}{_where(receipt.where)}"]
    if kind.alone is None:
        return
    shows = [f"{one.check}  {params_text(one.params)}".strip() for one in kind.alone.shows]
    yield "What it looks like", shows
    told_by = [f"{name}: by {check}" for name, check in kind.alone.told_by.items()]
    yield "What tells it from its neighbours", told_by
    yield "What ends it", [kind.alone.ends]


def _parameters(kind: type[Fault], *, width: int) -> Iterator[Line]:
    described = fault_parameters.described(kind)
    if not described:
        return
    yield BLANK
    yield line(Span("Parameters", Tone.HEAD))
    room = max(map(len, described)) + 4
    for name, text in described.items():
        first, *rest = paragraph(text, width=width - room, indent="")
        yield line(Span(f"  {name:{room - 2}}", Tone.GOOD), *first)
        for one in rest:
            yield line(" " * room, *one)


def _where(fields_of: Any) -> str:
    return f" with {params_text(fields_of)}" if fields_of else ""


def params_text(params: Any) -> str:
    """Parameters of a check, or fields of an event, in one line."""
    return ", ".join(
        f"{name}={' or '.join(map(str, value)) if isinstance(value, tuple) else value}"
        for name, value in params.items()
    )
