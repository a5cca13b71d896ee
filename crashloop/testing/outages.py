"""One test for each incident of the library, of the user's own app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from crashloop.errors import UsageError
from crashloop.model import Outcome
from crashloop.testing.outcome import read_outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from crashloop.testing.lab import Lab
    from crashloop.testing.outcome import LabRun

MEETS = {
    Outcome.SURVIVED: (Outcome.SURVIVED,),
    Outcome.RECOVERED: (Outcome.SURVIVED, Outcome.RECOVERED),
}
"""The outcomes that are good enough, by the one that is required."""


def outages(
    app: str,
    /,
    *incidents: str,
    require: Outcome | str = Outcome.RECOVERED,
    time_scale: float | None = None,
    **params: Any,
) -> Callable[..., Coroutine[Any, Any, None]]:
    """Make one test for each incident, to be assigned to a name that begins with `test_`.

    `app` names your entry in crashloop.toml or pyproject.toml. `incidents` are names, by default
    the whole library; one that cannot happen to the app is skipped with the reason. A test passes
    if the app survived, or, unless SURVIVED is required, recovered. `params` go to the incidents
    that have them.
    """
    names = incidents or _library()

    @pytest.mark.parametrize("incident", names)
    async def test_outages(lab: Lab, incident: str) -> None:
        __tracebackhide__ = True
        wanted, given = _required(require), _params_of(incident, names, params)
        if why := lab.why_not(incident, app=app, **given):
            pytest.skip(f"crashloop: {why}")
        run = await lab.run(incident, app=app, time_scale=time_scale, **given)
        fate = run.fate
        assert fate is not None, "every run of an own app has an outcome"
        if fate.outcome is Outcome.INCONCLUSIVE and (why := _idle(incident, run)):
            pytest.skip(f"crashloop: {incident} cannot happen to app {app}: {why}")
        if fate.outcome not in MEETS[wanted]:
            raise run.mismatch(fate, wanted, f"required {' or '.join(MEETS[wanted])}")

    return test_outages


def _library() -> tuple[str, ...]:
    from crashloop.incidents import library  # noqa: PLC0415  heavy; most sessions run none

    return tuple(library().incidents)


def _idle(name: str, run: LabRun) -> str:
    """Why the incident cannot happen to an app that it has passed by; "" if it may have."""
    from crashloop.incidents import incident  # noqa: PLC0415  likewise
    from crashloop.outcome import is_idle  # noqa: PLC0415  likewise

    return incident(name).idle if is_idle(run.trace) else ""


def _required(require: Outcome | str) -> Outcome:
    wanted = read_outcome(require)
    if wanted not in MEETS:
        raise UsageError(
            f"outages cannot require {wanted}", hint=f"choose one of {', '.join(MEETS)}"
        )
    return wanted


def _params_of(name: str, names: Sequence[str], params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that the incident has; UsageError for one that none of `names` has."""
    from crashloop.incidents import incident  # noqa: PLC0415  likewise

    known = {each: incident(each).parameters for each in names}
    for param in params:
        if not any(param in has for has in known.values()):
            raise UsageError(
                f"none of {', '.join(names)} has a parameter {param!r}",
                hint=f"{name} has: {', '.join(known[name])}",
            )
    return {param: value for param, value in params.items() if param in known[name]}
