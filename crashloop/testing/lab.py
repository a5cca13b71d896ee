"""The fixture's object: runs scenarios for one test, each into a folder of its own."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from inspect import CORO_CREATED, getcoroutinestate
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pytest

from crashloop.clock import DEFAULT_SCALE, TimeScale
from crashloop.errors import CapabilityError, CrashloopError, UsageError
from crashloop.model import Role, Scenario
from crashloop.testing.outcome import LabProof, LabRun

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from crashloop.model import AppUnderTest
    from crashloop.options import RunOptions
    from crashloop.run import Run

F = TypeVar("F", bound="Callable[..., Coroutine[Any, Any, Any]]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A pytest session's settings, checked; it has RunOptions' names and loads no engine.

    `scale` None means each incident's own; `slower` is how often a run is made again whose scale is
    too large here; `artifacts` None a folder below pytest's own base of
    temporary folders. Apps are looked for in `config`, or from `folder` upwards. `incidents` is a
    folder with incidents from outside of the package.
    """

    engine: str
    scale: float | None
    seed: int
    artifacts: Path | None
    postgres_bin: Path | None
    folder: Path
    config: Path | None
    incidents: Path | None = None
    slower: int = 0


def _remembered(method: F) -> F:
    """The method, with each of its coroutines remembered until the lab is closed."""

    @functools.wraps(method)
    def remembered(self: Lab, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        work: Coroutine[Any, Any, Any] = method(self, *args, **kwargs)
        self._asked.append((method.__name__, work))
        return work

    return cast("F", remembered)


class Lab:
    """The fixture `lab`: runs scenarios for one test.

    `seed` and `scale` are the session's (where it has no scale, an incident may have its own);
    `artifacts` is the test's own folder, in which every run gets a new folder, never an old one.
    """

    def __init__(
        self, settings: Settings, *, artifacts: Path, again: str, on_run: Callable[[Run], None]
    ) -> None:
        self.seed = settings.seed
        self.scale = DEFAULT_SCALE if settings.scale is None else settings.scale
        self.artifacts = artifacts
        self._settings = settings
        self._again = again
        self._on_run = on_run
        self._made: list[LabRun | LabProof] = []
        self._asked: list[tuple[str, Coroutine[Any, Any, Any]]] = []

    @_remembered
    async def run(
        self,
        scenario: Scenario | str,
        *,
        role: Role | str | None = None,
        app: str | None = None,
        time_scale: float | None = None,
        **params: Any,
    ) -> LabRun:
        """Run a scenario, or an incident by name with its parameters, once.

        `role` is one of a proof's four (default: reproduction), `app` names your own app's entry in
        crashloop.toml or pyproject.toml (default: the sample app); a Scenario brings its own of
        both. `time_scale` replaces the session's. Takes a few wall seconds. Skips the test, with
        the reason, if this machine or engine cannot do what the scenario needs. Raises UsageError
        for an unknown incident, role, app or parameter, HarnessError if nothing could be started;
        if the harness breaks later, the run has HARNESS_ERROR.
        """
        __tracebackhide__ = True
        from crashloop.slower import run_fairly  # noqa: PLC0415  heavy; most sessions run none

        under_test = self._app(app)
        wanted = _scenario(scenario, role, under_test, params)
        options = self._options(
            self._scale_of(wanted.incident, under_test, time_scale),
            folder=self._folder(f"{wanted.incident}-{wanted.role}"),
            command="" if _is_from_library(wanted) else self._again,
        )
        try:
            done = await run_fairly(wanted, options)
        except CapabilityError as error:
            pytest.skip(_skip_reason(error))
        self._on_run(done)
        run = LabRun(done, again=self._again)
        self._made.append(run)
        return run

    @_remembered
    async def prove(
        self,
        incident: str,
        *,
        app: str | None = None,
        remedy: str = "",
        time_scale: float | None = None,
        **params: Any,
    ) -> LabProof:
        """Run the four runs of an incident's proof with one seed; about four times a run's time.

        `remedy` names one of your app's own `remedies` (default: the incident's, or the first).
        Skips and raises as `run` does.
        """
        __tracebackhide__ = True
        from crashloop import incidents, proof  # noqa: PLC0415  heavy; most sessions run none

        wanted, under_test = incidents.incident(incident), self._app(app)
        scale = self._scale_of(incident, under_test, time_scale)
        options = self._options(
            scale,
            folder=self._folder(f"{incident}-proof"),
            command=self._again if under_test else "",
        )
        try:
            done = await proof.prove(
                wanted,
                params,
                options,
                app=under_test,
                remedy=remedy,
                on_step=lambda step: self._on_run(step.run),
            )
        except CapabilityError as error:
            pytest.skip(_skip_reason(error))
        proven = LabProof(done, again=self._again)
        self._made.append(proven)
        return proven

    def why_not(self, incident: str, *, app: str, **params: Any) -> str:
        """Why an incident cannot happen to your own app; "" if it can.

        Raises UsageError for an unknown incident, app or parameter.
        """
        from crashloop import incidents  # noqa: PLC0415  heavy; most sessions run none

        under_test = self._app(app)
        assert under_test is not None
        return incidents.incident(incident).applies(under_test, **params)

    def close(self) -> None:
        """Raise for a run that was never awaited, and for one that was no test at all."""
        __tracebackhide__ = True
        asked = [one for one in self._asked if getcoroutinestate(one[1]) == CORO_CREATED]
        for _, work in asked:
            work.close()
        for name, _ in asked:
            raise UsageError(
                f"lab.{name}(...) was never awaited, so nothing was run",
                hint="write `async def` before the test's name and `await` before the call",
            )
        for made in self._made:
            failure = made.unanswered_failure()
            if failure is not None:
                raise failure

    def _app(self, name: str | None) -> AppUnderTest | None:
        """The app with an entry of this name; None, the sample app, without one."""
        if name is None:
            return None
        from crashloop.apps import find_entry  # noqa: PLC0415  heavy; most sessions run none

        return find_entry(name, folder=self._settings.folder, file=self._settings.config)

    def _scale_of(self, incident: str, app: AppUnderTest | None, given: float | None) -> TimeScale:
        """The scale of one run: given for it, else the session's, else the incident's own."""
        from crashloop.incidents import find  # noqa: PLC0415  heavy; most sessions run none

        known = find(incident)
        own = known.ordinary_scale(app) if known else DEFAULT_SCALE
        return TimeScale(
            factor=next(s for s in (given, self._settings.scale, own) if s is not None)
        )

    def _options(self, scale: TimeScale, *, folder: Path, command: str = "") -> RunOptions:
        from crashloop.engines.catalogue import engine_named  # noqa: PLC0415  likewise
        from crashloop.options import RunOptions  # noqa: PLC0415  heavy; most sessions run none

        return RunOptions(
            scale=scale,
            seed=self.seed,
            artifacts=folder,
            postgres_bin=self._settings.postgres_bin,
            command=command,
            engine=engine_named(self._settings.engine),
            slower=self._settings.slower,
        )

    def _folder(self, name: str) -> Path:
        """A new folder `name-N`: evidence of an earlier run is never written over."""
        from crashloop.run import folder_name  # noqa: PLC0415  heavy; most sessions run none

        for number in itertools.count(1):
            folder = self.artifacts / f"{folder_name(name)}-{number}"
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise UsageError(
                    f"cannot write evidence into {folder}: {error.strerror}",
                    hint="name a folder that you may write to: --crashloop-artifacts DIR",
                ) from None
            return folder
        raise AssertionError


def _scenario(
    scenario: Scenario | str,
    role: Role | str | None,
    app: AppUnderTest | None,
    params: dict[str, Any],
) -> Scenario:
    if isinstance(scenario, Scenario):
        if role is not None or app is not None or params:
            given = ", ".join(params) or ("app" if role is None else "role")
            raise UsageError(
                f"lab.run got a Scenario and also {given}",
                hint="a Scenario brings role, app and parameters; name the incident to choose them",
            )
        return scenario
    from crashloop.incidents import incident  # noqa: PLC0415  heavy; most sessions run none

    try:
        wanted = Role.REPRODUCTION if role is None else Role(role)
    except ValueError:
        raise UsageError(
            f"unknown role {role!r}", hint=f"choose one of {', '.join(map(str, Role))}"
        ) from None
    return incident(scenario).scenario(wanted, app, **params)


def _is_from_library(scenario: Scenario) -> bool:
    """Whether `crashloop reproduce` makes this very scenario from its name and parameters."""
    from crashloop.incidents import find  # noqa: PLC0415  heavy; most sessions run none

    known = find(scenario.incident)
    try:
        return (
            known is not None
            and known.scenario(scenario.role, None, **dict[str, Any](scenario.params)) == scenario
        )
    except CrashloopError:  # such as no sample app here
        return False


def _skip_reason(error: CrashloopError) -> str:
    return f"crashloop: {error.message}" + (f" ({error.hint})" if error.hint else "")
