"""The page docs/faults.md: every fault, written by `crashloop faults --markdown`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks import CHECKS
from crashloop.commands.fault_parameters import commands, described, text
from crashloop.commands.faults import says
from crashloop.commands.standing import in_general
from crashloop.engines.catalogue import ENGINES
from crashloop.errors import UsageError
from crashloop.faults import KINDS
from crashloop.report.document import write_page

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from crashloop.faults.alone import Alone
    from crashloop.faults.base import Fault
    from crashloop.model import CheckSpec

COMMAND = "crashloop faults --markdown > docs/faults.md"

_HEAD = f"""\
<!-- Do not edit this page. It is written by: {COMMAND} -->
# Faults

`crashloop faults` lists the faults, and `crashloop faults NAME` describes one. To run one alone:

```
crashloop reproduce --fault NAME
crashloop reproduce --fault NAME:PARAM=VALUE,PARAM=VALUE
crashloop reproduce --fault NAME --app NAME
```

The first runs it against the sample app with amounts that were chosen for it; the second with your
own amounts; the third against your own app. All times are in seconds of the incident. A run has one
fault alone. In a scenario there can be several: each names its target (a dependency, or the app's
replicas), and when it is injected and healed.

On an engine, a fault is **real**, **modelled** (something stands for it, and its receipt says so)
or **not here**, with the reason. This page is about Linux. `crashloop faults NAME` also says what
this machine lacks.

A fault's **receipt** is the observation that it acted. Its grade says who saw that:

- *direct*: the proxy held, delayed, refused or cut that connection;
- *kernel*: the kernel shows a connect() of the app's own process that gets no answer;
- *client*: the app's own ECONNREFUSED, while the port was proven shut;
- *server*: Postgres or Redis says so, in its log or in an answer. That counts for a life only if
  a process of that life came to the server meanwhile;
- *process*: /proc, a wait status, or Docker says it of the process.

**Told apart**: each row of [the table of neighbours](#neighbours) is a test. The neighbour's run is
judged as if it were the fault's, and the check that the row names must refute it. The same is
tested in the opposite direction. Each fault that can be run alone is also tested with a run in
which its receipt holds, one without a fault and without a receipt, and one in which the fault is
unplugged and the verdict is INCONCLUSIVE.
"""


def show_page(name: str | None, *, as_json: bool) -> None:
    """Print the page; UsageError for the name of one fault, or for JSON."""
    if name is not None or as_json:
        raise UsageError(
            "--markdown prints one page about all faults",
            hint="give neither NAME nor --json with it",
        )
    write_page(page())


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
        where = " | ".join(in_general(kind, engine)[0] for engine in ENGINES)
        acts_on = ", ".join(sorted(kind.acts_on))
        yield f"| [{name}](#{name}) | {acts_on} | {where} | {kind.receipt.grade} |"
    yield ""


def _section(kind: type[Fault]) -> Iterator[str]:
    yield f"## {kind.kind}"
    for paragraph in says(kind):
        yield paragraph
        yield ""
    for engine in ENGINES:
        word, why = in_general(kind, engine)
        yield f"- on the {engine} engine: **{word}**{f': {why}' if why else ''}"
    kinds = " or ".join(f"`{each}`" for each in kind.receipt.kinds)
    fitting = f" with {_values(kind.receipt.where)}" if kind.receipt.where else ""
    yield f"- receipt, *{kind.receipt.grade}*: {kinds}{fitting}"
    if parameters := described(kind):
        yield "- parameters:"
        for name, takes in parameters.items():
            yield f"  - `{name}`: {takes}"
    yield f"- to run it: {', '.join(f'`{each}`' for each in commands(kind))}"
    if kind.alone is not None:
        yield from _alone(kind.alone)
    yield ""


def _alone(alone: Alone) -> Iterator[str]:
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
        case "":
            return "any"
        case bool():
            return "yes" if value else "no"
        case tuple() | list():
            return " or ".join(f"`{text(each)}`" for each in value)
    return f"`{text(value)}`"


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
