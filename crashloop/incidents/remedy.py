"""What would have ended an outage, as an overlay."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.remedies import Remedied, remedied

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crashloop.model import AppUnderTest, Outage, Platform, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What would have ended the outage: the knobs that it changes in the app, and its platform."""

    name: str
    says: str
    knobs: Mapping[str, Value] = field(default_factory=dict)
    old_knobs: Mapping[str, Value] = field(default_factory=dict)
    platform: Callable[[Platform], Platform] | None = None

    def applied(self, outage: Outage) -> Outage:
        """The same outage with the remedy in place."""
        old_knobs = {**outage.replicas.old_knobs, **self.old_knobs}
        return replace(
            outage,
            knobs={**outage.knobs, **self.knobs},
            replicas=replace(outage.replicas, old_knobs=old_knobs),
            platform=self.platform(outage.platform) if self.platform else outage.platform,
        )


def remedied_run(
    incident: str, remedy: Remedy, outage: Outage, app: AppUnderTest, name: str
) -> tuple[Outage, AppUnderTest, str]:
    """The outage and the app with a remedy, and its name.

    That is the one by `name`, else the incident's if the app has its knobs, else the first of the
    app's own. UsageError if there is none.
    """
    missing = [knob for knob in remedy.knobs if knob not in app.knobs]
    if not name and not missing:
        return remedy.applied(outage), app, remedy.name
    if not name and not app.remedies:
        raise UsageError(
            f"{incident} is ended by: {remedy.says}; app {app.name} has no {', '.join(missing)} "
            "among its `knobs`, and no remedy of its own",
            hint="describe what you would change: "
            f'[apps.{app.name}.remedies.mine] env = {{NAME = "value"}}',
        )
    chosen = name or next(iter(app.remedies))
    return *remedied(chosen, Remedied(outage, app)), chosen
