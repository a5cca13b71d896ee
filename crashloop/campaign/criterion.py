"""What an arm must show: criteria as a user writes them. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, cast, get_args

from crashloop.errors import UsageError
from crashloop.model.comparison import Criterion, Op

if TYPE_CHECKING:
    from collections.abc import Iterable

Name = Literal["success", "phase_failure", "loops", "golden_path"]
NAMES: tuple[Name, ...] = get_args(Name)
JOURNEY: Name = "golden_path"

AUDIT = (
    Criterion(name="success", op=">", value=0.80),
    Criterion(name="success", op=">", value=0.95),
    Criterion(name="phase_failure", op="<", value=0.05),
    Criterion(name="loops", op="<", value=0.10),
    Criterion(name="golden_path", op=">", value=0.90),
)
"""The audit's own. It says "restart cycles eliminated" and "golden path restored", which no number
of trials can show: the last two are what 50 trials without a failure do show."""

REPRODUCED = Criterion(name="reproduced", op=">", value=0.5)
"""What the arm without a remedy must show, or else nothing was compared with the outage."""

_WRITTEN = re.compile(r"\s*(?P<name>\w+)\s*(?P<op>[<>]=?)\s*(?P<value>\S+)\s*")
_EXAMPLE = 'write it as in --criterion "success>0.95"'


def parse(text: str) -> Criterion:
    """The criterion in `success>0.95`; UsageError if it cannot be read or can never be decided."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no criterion", hint=_EXAMPLE)
    if found["name"] not in NAMES:
        raise UsageError(
            f"{text!r} is about {found['name']!r}, which is not measured",
            hint=f"what is measured: {', '.join(NAMES)}",
        )
    try:
        value = float(found["value"])
    except ValueError:
        raise UsageError(f"{found['value']!r} in {text!r} is no number", hint=_EXAMPLE) from None
    if not 0 < value < 1:
        raise UsageError(
            f"{found['value']} in {text!r} does not lie between 0 and 1",
            hint="a rate is a share, such as 0.95, and no number of trials shows exactly 0 or 1",
        )
    return Criterion(name=found["name"], op=cast("Op", found["op"]), value=value)


def parse_all(texts: Iterable[str], *, has_journey: bool = True) -> tuple[Criterion, ...]:
    """All of them, each once; the audit's if there are none.

    An app without a journey has no golden path: the audit's criterion of it is left out, and
    UsageError is raised for one that was given.
    """
    given = tuple(dict.fromkeys(map(parse, texts)))
    if not has_journey and any(each.name == JOURNEY for each in given):
        raise UsageError(
            f"{JOURNEY} is the app's journey, and its entry has none",
            hint="add a `journey` to the entry, or leave the criterion out",
        )
    return given or tuple(each for each in AUDIT if has_journey or each.name != JOURNEY)
