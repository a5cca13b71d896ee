"""Whether lives died of too much memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.checks.ends import how_ended
from crashloop.checks.lives import deaths, observed
from crashloop.checks.result import Result, holds, refuted, saw_nothing
from crashloop.plural import counted

if TYPE_CHECKING:
    from crashloop.trace.event import Event, Trace


def memory_exceeded(trace: Trace, *, exceeded: bool) -> Result:
    """Each life that died had more memory than its limit, or none had.

    What keeps the limit says so. An exit with 137 alone does not.
    """
    exits = deaths(trace)
    if not exits:
        return saw_nothing("no attempt died on its own")
    evidence: list[Event] = []
    for died in exits:
        said = observed(trace, "process.memory_exceeded", life=died.life)
        if bool(said) is not exceeded:
            had = "had more memory than its limit" if said else "was not over a memory limit"
            says = f"{trace.name(died.life)}, which ended with {how_ended(died)}, {had}"
            return refuted(says, [*said, died])
        evidence += [*said, died]
    who = counted(len(exits), "attempt")
    if exceeded:
        return holds(f"{who} had more memory than the limit and died of it", evidence)
    return holds(f"{who} died, and none was over a memory limit", evidence)
