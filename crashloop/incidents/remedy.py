"""What would have ended an outage, as an overlay."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.platforms import PLATFORMS, parse_platform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crashloop.incidents.outage import Outage
    from crashloop.model import AppUnderTest, OwnRemedy, Platform, Value


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

    That is the app's own by `name`, else the incident's if the app has its knobs, else the first
    of the app's own. UsageError if there is none.
    """
    known = f"its `remedies` are: {', '.join(app.remedies) or 'none'}"
    if name and name not in app.remedies:
        raise UsageError(f"app {app.name} has no remedy {name!r}", hint=known)
    missing = [knob for knob in remedy.knobs if knob not in app.knobs]
    if not name and not missing:
        return remedy.applied(outage), app, remedy.name
    if not app.remedies:
        raise UsageError(
            f"{incident} is ended by: {remedy.says}; app {app.name} has no {', '.join(missing)} "
            "among its `knobs`, and no remedy of its own",
            hint="describe what you would change: "
            f'[apps.{app.name}.remedies.mine] env = {{NAME = "value"}}',
        )
    chosen = name or next(iter(app.remedies))
    return *_own(app.remedies[chosen], outage, app), chosen


def _own(own: OwnRemedy, outage: Outage, app: AppUnderTest) -> tuple[Outage, AppUnderTest]:
    changed = replace(app, env={**app.env, **own.env}, command=own.command or app.command)
    if not own.platform:
        return outage, changed
    other, before = parse_platform(own.platform), outage.platform
    if PLATFORMS[other.name].has_probes:  # it keeps what the incident's platform asks for
        other = replace(before, name=other.name, restart=other.restart, grace_s=other.grace_s)
    return replace(outage, platform=other), changed
