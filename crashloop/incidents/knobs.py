"""The knobs that an incident turns in an app, by the app's entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.apps import knobs_used, with_knobs
from crashloop.apps.table import known_names
from crashloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crashloop.incidents.parameter import Params
    from crashloop.incidents.remedy import Remedy
    from crashloop.model import AppUnderTest, Outage

LIMIT = "limit_s"


def turned(app: AppUnderTest, outage: Outage, values: Params) -> AppUnderTest:
    """The app with the incident's value of each knob that it has; `limit_s` is a parameter's."""
    wanted = {LIMIT: values[LIMIT]} if LIMIT in values else {}
    wanted |= outage.knobs
    return with_knobs(app, {name: value for name, value in wanted.items() if name in app.knobs})


def require_known(
    incident: str, outage: Outage, remedies: tuple[Remedy, ...], sample: AppUnderTest
) -> None:
    """Refuse a knob that the sample app does not have: turning it would change nothing."""
    for whose, name in _named(outage, remedies):
        if name not in sample.knobs:
            raise UsageError(
                f"{whose} of {incident} turns {name!r}, which is no knob of the sample app",
                hint=known_names(name, sample.knobs),
            )


def require_noticed(
    incident: str, app: AppUnderTest, outage: Outage, usual: Outage, given: Params
) -> None:
    """Refuse parameters that only turn knobs which the user's app has no placeholder of.

    `usual` is the outage without the parameters that were given.
    """
    changed = [n for n, value in outage.knobs.items() if usual.knobs.get(n) != value]
    if changed and not knobs_used(app) & set(changed):
        raise UsageError(
            f"{', '.join(given)} of {incident} would change {', '.join(changed)}, and app "
            f"{app.name} would not notice",
            hint=f"use {', '.join(f'{{{name}}}' for name in changed)} in its `env` or `command`",
        )


def _named(outage: Outage, remedies: tuple[Remedy, ...]) -> Iterator[tuple[str, str]]:
    """Who turns a knob, and its name."""
    for name in (*outage.knobs, *outage.replicas.old_knobs):
        yield "the outage", name
    for one in remedies:
        for name in (*one.knobs, *one.old_knobs):
            yield f"the remedy {one.name!r}", name
