"""A remedy of the app's own, as its entry describes it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crashloop.platforms import parse_platform, with_probes_of
from crashloop.remedies.overlay import Remedied

if TYPE_CHECKING:
    from crashloop.model import OwnRemedy


def put_in_place(own: OwnRemedy, before: Remedied) -> Remedied:
    """The app with the remedy's variables, knobs and command, on the remedy's platform."""
    outage, app = before
    outage = replace(outage, knobs={**outage.knobs, **own.knobs})
    changed = replace(app, env={**app.env, **own.env}, command=own.command or app.command)
    if not own.platform:
        return Remedied(outage, changed)
    platform = with_probes_of(outage.platform, parse_platform(own.platform))
    return Remedied(replace(outage, platform=platform), changed)
