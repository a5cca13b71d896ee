"""What may end an outage, and what only looks like it: one module for each, by name.

The remedies of an app stand in its entry. The others change its limit, its platform or its path. A
new one is one new module and its name below.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from crashloop.errors import UsageError
from crashloop.remedies import egress_flag, limit, patient_liveness, pre_scaled_connector
from crashloop.remedies.overlay import Remedied, RemedyKind
from crashloop.remedies.own import put_in_place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.model import AppUnderTest

__all__ = ["KINDS", "NONE", "Remedied", "RemedyKind", "known", "remedied", "says"]

KINDS: Mapping[str, RemedyKind] = {
    module.REMEDY.name: module.REMEDY
    for module in (limit, pre_scaled_connector, patient_liveness, egress_flag)
}
"""The remedies that are not the app's own, by name."""

NONE = "none"
"""The name of a run without a remedy, in a comparison."""

AND = "+"


def known(app: AppUnderTest) -> tuple[str, ...]:
    """How each remedy is written that `app` can be run with, its own first."""
    return (*app.remedies, *(kind.form for kind in KINDS.values() if kind.name not in app.remedies))


def says(text: str, app: AppUnderTest) -> str:
    """What a remedy does, in words; "" if its entry does not say."""
    name = text.partition("=")[0]
    if name in app.remedies:
        return app.remedies[name].says
    return KINDS[name].says if name in KINDS else ""


def remedied(text: str, before: Remedied) -> Remedied:
    """The outage and the app with the remedies of `text` in place, as in `retry+limit=60`.

    Raises UsageError for one that is not known, does not fit, or changes what another changes.
    """
    after, changed_by = before, dict[str, tuple[str, object]]()
    for one in text.split(AND):
        alone = _one(one, before)
        for what, value in _changes(before, alone).items():
            other, others_value = changed_by.setdefault(what, (one, value))
            if value != others_value:
                raise UsageError(
                    f"the remedies {other} and {one} cannot be combined: both change {what}",
                    hint="compare them one by one",
                )
        after = _one(one, after)
    return after


def _one(text: str, before: Remedied) -> Remedied:
    app = before.app
    name, _, value = text.partition("=")
    if text in app.remedies:
        return put_in_place(app.remedies[text], before)
    kind = KINDS.get(name)
    if kind is None:
        forms = known(app)
        near = difflib.get_close_matches(name, [form.partition("=")[0] for form in forms], n=1)
        raise UsageError(
            f"there is no remedy {text!r} for app {app.name}",
            hint=f"{f'did you mean {near[0]}? ' if near else ''}known: {', '.join(forms)}",
        )
    if bool(value) != bool(kind.value):
        raise UsageError(f"unknown remedy {text!r}", hint=f"write {kind.form}")
    return kind.overlay(before, value)


def _changes(before: Remedied, after: Remedied) -> dict[str, object]:
    """What a remedy changes, in words, with the new value of each."""
    old, new = _parts(before), _parts(after)
    return {
        what: new.get(what)
        for what in {**old, **new}
        if what not in old or what not in new or old[what] != new[what]
    }


def _parts(one: Remedied) -> dict[str, object]:
    """What remedies can change, by its name in messages."""
    outage, app = one
    named = {
        "knob": outage.knobs,
        "variable": app.env,
        "fault": {fault.name: fault for fault in outage.faults},
    }
    whole = {
        "the platform": outage.platform,
        "the replicas": outage.replicas,
        "the dependencies": outage.dependencies,
        "the command": app.command,
    }
    return whole | {
        f"the {kind} {name}": value
        for kind, values in named.items()
        for name, value in values.items()
    }
