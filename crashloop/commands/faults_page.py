"""The page docs/faults.md: every fault, written by `crashloop faults --markdown`."""

from __future__ import annotations

import sys
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING

from crashloop.checks import CHECKS
from crashloop.commands.faults import does, standing
from crashloop.engines.catalogue import ENGINES
from crashloop.errors import UsageError
from crashloop.faults import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from dataclasses import Field
    from typing import Any

    from crashloop.faults.alone import Alone
    from crashloop.faults.base import Fault
    from crashloop.model import CheckSpec

COMMAND = "crashloop faults --markdown > docs/faults.md"

_HEAD = f"""\
<!-- Do not edit this page. It is written by: {COMMAND} -->
# Faults

`crashloop faults` lists them, `crashloop faults NAME` describes one, and
`crashloop reproduce --fault NAME[:PARAM=VALUE,...]` runs one alone, against the sample app or, with
`--app NAME`, against your own. A scenario names a fault, its target (a dependency, or the app's
replicas), and when it is injected and healed; times are in seconds of the incident.

On an engine, a fault is **real**, **modelled** (something stands for it, and its receipt says so)
or **not here**, with the reason. This page is about a run against Postgres on Linux.

A fault's **receipt** is the observation that it acted, and its grade says who saw it. *direct*: the
proxy held, delayed, refused or cut that connection. *kernel*: a SYN_SENT socket of the app's
process. *client*: the app's own ECONNREFUSED while the port was proven shut. *server*: Postgres'
or Redis' own log or answer. *process*: /proc, a wait status, or Docker. The receipt of a server
counts for a life only together with a connection that the life's own process made to that server
meanwhile.

**Told apart**: each row of [the table of neighbours](#neighbours) is a test. The neighbour's run is
judged as if it were the fault's, and the check that is named must refute it; so must the check of
the row in the opposite direction. Each fault that is run alone is also tested with a run in which
its receipt holds, one without a fault and without a receipt, and one in which it is unplugged and
the verdict is inconclusive.
"""


def show_page(name: str | None, *, as_json: bool) -> None:
    """Print the page; UsageError for the name of one fault, or for JSON."""
    if name is not None or as_json:
        raise UsageError(
            "--markdown prints one page about all faults",
            hint="give neither NAME nor --json with it",
        )
    sys.stdout.write(page())


def page() -> str:
    """The page, as Markdown."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _HEAD
    yield from _overview()
    for kind in KINDS.values():
        yield from _section(kind)
    yield from _neighbours()
    yield from _checks()


def _overview() -> Iterator[str]:
    yield f"| fault | acts on | {' | '.join(ENGINES)} | receipt |"
    yield f"|---|---|{'---|' * len(ENGINES)}---|"
    for name, kind in KINDS.items():
        where = " | ".join(standing(kind, engine)[0] for engine in ENGINES)
        acts_on = ", ".join(sorted(kind.acts_on))
        yield f"| [{name}](#{name}) | {acts_on} | {where} | {kind.receipt.grade} |"
    yield ""


def _section(kind: type[Fault]) -> Iterator[str]:
    yield f"## {kind.kind}"
    yield does(kind)
    yield ""
    for engine in ENGINES:
        word, why = standing(kind, engine)
        yield f"- on the {engine} engine: **{word}**{f': {why}' if why else ''}"
    kinds = " or ".join(f"`{each}`" for each in kind.receipt.kinds)
    fitting = f" with {_values(kind.receipt.where)}" if kind.receipt.where else ""
    yield f"- receipt, *{kind.receipt.grade}*: {kinds}{fitting}"
    if parameters := [_parameter(one) for one in fields(kind)]:
        yield f"- parameters: {', '.join(parameters)}"
    if kind.alone is None:
        yield "- part of an incident; it is not run alone"
    else:
        yield from _alone(kind.kind, kind.alone)
    yield ""


def _alone(name: str, alone: Alone) -> Iterator[str]:
    params = f", with {_values(alone.params)}: chosen" if alone.params else ""
    yield f"- run alone: `crashloop reproduce --fault {name}`{params}"
    yield "- looks like:"
    for shown in alone.shows:
        yield f"  - {_check(shown)}"
    yield "- told from its neighbours:"
    for other, check in alone.told_by.items():
        yield f"  - [{other}](#{other}): by `{check}`"
    yield f"- ended by: {alone.ends}"


def _check(spec: CheckSpec) -> str:
    return f"`{spec.check}`{f': {_values(spec.params)}' if spec.params else ''}"


def _values(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in params.items())


def _value(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case tuple() | list():
            return " or ".join(f"`{each}`" for each in value)
    return f"`{value}`"


def _parameter(one: Field[Any]) -> str:
    if one.default is MISSING:
        return f"`{one.name}`"
    default = "none" if one.default in {None, ""} else str(one.default).lower()
    return f"`{one.name}` ({default})"


def _neighbours() -> Iterator[str]:
    yield "## Neighbours"
    yield "| a run of | is not taken for | because this check of it refutes the run |"
    yield "|---|---|---|"
    for name, kind in KINDS.items():
        for other, check in (kind.alone.told_by if kind.alone else {}).items():
            yield f"| [{other}](#{other}) | [{name}](#{name}) | `{check}` |"
    yield ""


def _checks() -> Iterator[str]:
    used = {each.check for kind in KINDS.values() if kind.alone for each in kind.alone.shows}
    yield "## Checks"
    yield "| check | it holds if |"
    yield "|---|---|"
    for name in sorted(used):
        says = " ".join((CHECKS[name].__doc__ or "").partition("\n\n")[0].split())
        yield f"| `{name}` | {says} |"
    yield ""
