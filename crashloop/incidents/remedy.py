"""What would have ended an outage, as an overlay."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from crashloop.apps import knobs_lacking
from crashloop.apps.table import known_names
from crashloop.errors import UsageError
from crashloop.remedies import Remedied, known, remedied

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from crashloop.model import AppUnderTest, Outage, PlannedFault, Platform, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What would have ended the outage: the knobs that it changes in the app, and its platform.

    `fault` gives each planned fault as it is with the remedy. One that no longer harms the app has
    another receipt there, which shows that the app met what the outage was about. That keeps the
    run with the remedy a fair test.

    `prevents`: no life dies with it. Else it ends an outage that has begun, and the app must be
    back after the heal.
    """

    name: str
    says: str
    knobs: Mapping[str, Value] = field(default_factory=dict)
    old_knobs: Mapping[str, Value] = field(default_factory=dict)
    platform: Callable[[Platform], Platform] | None = None
    fault: Callable[[PlannedFault], PlannedFault] | None = None
    prevents: bool = True

    def applied(self, outage: Outage) -> Outage:
        """The same outage with the remedy in place."""
        old_knobs = {**outage.replicas.old_knobs, **self.old_knobs}
        return replace(
            outage,
            knobs={**outage.knobs, **self.knobs},
            replicas=replace(outage.replicas, old_knobs=old_knobs),
            platform=self.platform(outage.platform) if self.platform else outage.platform,
            faults=tuple(map(self.fault, outage.faults)) if self.fault else outage.faults,
        )


def remedied_run(
    incident: str, remedies: Sequence[Remedy], outage: Outage, app: AppUnderTest, name: str
) -> tuple[Outage, AppUnderTest, str]:
    """The outage and the app with a remedy, and its name; `remedies` are the incident's.

    That is the one by `name`, the app's own before the incident's. Without a name it is the
    incident's first if the app notices its knobs, else the first of the app's own. UsageError if
    there is none, and for one that is named and turns a knob which the app does not notice.
    """
    mine = None if name in app.remedies else _named(remedies, name)
    if mine is None:
        _require_no_slip(name, remedies, app)
        return *remedied(name, Remedied(outage, app)), name
    missing = ", ".join(knobs_lacking(app, mine.knobs))
    if not missing:
        return mine.applied(outage), app, mine.name
    if not name and app.remedies:
        chosen = next(iter(app.remedies))
        return *remedied(chosen, Remedied(outage, app)), chosen
    lacks = f"app {app.name} has no {missing} among its `knobs`, or no placeholder of it"
    raise UsageError(
        f"{incident} is ended by: {mine.says}; {lacks}, and no remedy of its own"
        if not name
        else f"the remedy {name!r} of {incident} cannot be tried: {lacks}",
        hint="describe what you would change: "
        f'[apps.{app.name}.remedies.mine] env = {{NAME = "value"}}',
    )


def _named(remedies: Sequence[Remedy], name: str) -> Remedy | None:
    """The remedy by this name, the first for ""; None if there is none."""
    return next((one for one in remedies if name in {"", one.name}), None)


def _require_no_slip(name: str, remedies: Sequence[Remedy], app: AppUnderTest) -> None:
    """Refuse a name that is nearer to a remedy of the incident's than to any other."""
    own = [one.name for one in remedies if one.name]
    every = [*own, *known(app)]
    meant = difflib.get_close_matches(name, every, n=1)
    if name not in every and meant and meant[0] in own:
        raise UsageError(f"there is no remedy {name!r}", hint=known_names(name, every))
