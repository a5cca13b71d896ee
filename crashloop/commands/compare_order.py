"""The options of `crashloop compare`, checked before anything starts."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from crashloop.apps import knobs_used, sample_app
from crashloop.campaign.plan import CONNECTOR, HEAL, Campaign, PlannedArm
from crashloop.clock import REAL_TIME, TimeScale
from crashloop.commands.elsewhere import chosen_incident
from crashloop.commands.options import own_app, read_params, read_scale
from crashloop.engines.local import LocalEngine
from crashloop.errors import CapabilityError, UsageError
from crashloop.extras import INSTALL
from crashloop.preflight import require_runnable
from crashloop.profiles import load
from crashloop.profiles.profile import CONNECTION, SETTLED
from crashloop.remedies import NONE, known

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from crashloop.incidents.compared import Compared
    from crashloop.incidents.incident import Incident
    from crashloop.model import AppUnderTest

PACKAGES = ("scipy", "matplotlib")
PLATFORM, REPLICAS = "platform", "replicas"
DEFAULT_TRIALS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOrder:
    """The command line's options; `remedies`, `connectors` and `criteria` empty: the ordinary.

    `folder` may have the incident.
    """

    incident: str
    folder: Path | None = None
    remedies: tuple[str, ...] = ()
    connectors: tuple[str, ...] = ()
    platform: str | None = None
    replicas: int | None = None
    trials: int = DEFAULT_TRIALS
    criteria: tuple[str, ...] = ()
    app: str | None = None
    config: Path | None = None
    params: tuple[str, ...] = ()
    time_scale: float | None = None
    real_time: bool = False
    seed: int | None = None
    artifacts: Path | None = None
    resume: bool = False
    dry_run: bool = False
    as_json: bool = False
    summary: Path | None = None
    no_live: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What would run: the campaign, the scale it is wanted at, and the remedies that do not fit."""

    campaign: Campaign
    scale: float
    left_out: Mapping[str, str]


def require_packages() -> None:
    """Raise UsageError if a package that only comparisons need is missing."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"crashloop compare needs {' and '.join(missing)}",
            hint=INSTALL,
        )


def planned(order: CompareOrder, *, seed: int) -> Planned:
    """The comparison that was asked for; UsageError for what cannot be compared.

    A remedy that nobody named and that does not fit is left out, with the reason.
    """
    chosen = chosen_incident(order.incident, order.folder)
    app = own_app(order.app, order.config)
    usual = chosen.compared
    params = _params(order, usual, app)
    connectors = _connectors(order, chosen, params)
    scale = read_scale(
        order.time_scale, real_time=order.real_time, ordinary=chosen.ordinary_scale(app)
    )
    given = params.pop(HEAL, None)
    campaign = Campaign(
        incident=chosen,
        arms=(),
        seed=seed,
        heal_s={name: _heal_s(name, given, usual) for name in connectors},
        params=params,
        app=app,
        config=str(order.config or ""),
    )
    arms, left_out = [], dict[str, str]()
    for remedy in (NONE, *_remedies(order, usual, app)):
        for connector in connectors:
            arm = PlannedArm(remedy=remedy, connector=connector, scale=scale.factor)
            try:
                scenario = campaign.scenario(arm)
                is_real = scenario.real_time_only and order.time_scale is None
                factor = REAL_TIME if is_real else scale.factor
                require_runnable(scenario, TimeScale(factor=factor), LocalEngine)
            except (UsageError, CapabilityError) as error:
                if remedy == NONE or remedy in order.remedies:
                    raise
                left_out[remedy] = error.message.rpartition(f"{remedy}: ")[2]
            else:
                scale = TimeScale(factor=factor)
                arms.append(arm)
    return Planned(
        campaign=campaign.with_arms(arms, scale=scale.factor), scale=scale.factor, left_out=left_out
    )


def again(order: CompareOrder, campaign: Campaign, *, folder: str = "") -> str:
    """The command that makes the comparison again, or goes on with that in `folder`."""
    words = ["crashloop", "compare", order.incident]
    words += ["--incidents", str(order.folder)] if order.folder else []
    words += _each("--remedy", order.remedies) + _each("--connector", order.connectors)
    words += ["--platform", order.platform] if order.platform else []
    words += ["--replicas", str(order.replicas)] if order.replicas else []
    words += ["--trials", str(order.trials)] if order.trials != DEFAULT_TRIALS else []
    words += _each("--criterion", order.criteria)
    words += ["--app", order.app] if order.app else []
    words += ["--config", str(order.config)] if order.config else []
    words += _each("-p", order.params)
    words += ["--time-scale", f"{order.time_scale}".removesuffix(".0")] if order.time_scale else []
    words += ["--real-time"] if order.real_time else []
    words += ["--seed", str(campaign.seed)]
    words += ["--json"] if order.as_json else []
    if folder:
        words += ["--summary", str(order.summary)] if order.summary else []
        words += ["--artifacts", folder, "--resume"]
    return shlex.join(words)


def sources(campaign: Campaign) -> dict[str, str]:
    """Where the connection times of each connector profile come from."""
    return {name: load(name).figures[CONNECTION].source for name in campaign.heal_s if name}


def _require_named(option: str, names: Iterable[str]) -> None:
    """Refuse an empty name, as of an unset variable: it would be compared as if it were one."""
    if not all(map(str.strip, names)):
        raise UsageError(f"{option} has an empty name", hint=f"name one, or leave {option} out")


def _each(option: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _params(order: CompareOrder, usual: Compared, app: AppUnderTest | None) -> dict[str, Any]:
    """The parameters of every trial: those given, else the ordinary ones."""
    given: dict[str, Any] = dict(read_params(order.params))
    for option, name, value in (
        ("--platform", PLATFORM, order.platform),
        ("--replicas", REPLICAS, order.replicas),
        ("--connector", CONNECTOR, order.connectors or None),
    ):
        if value is not None and name in given:
            raise UsageError(
                f"{option} and -p {name} were both given", hint="leave one of them out"
            )
        given |= {name: value} if value is not None else {}
    return {n: v for n, v in usual.params.items() if app is None or _suits(n, app)} | given


def _suits(name: str, app: AppUnderTest) -> bool:
    """Whether an ordinary parameter is for the user's own app: its entry may say otherwise."""
    if name == PLATFORM:
        return not app.platform
    return name not in sample_app().knobs or name in knobs_used(app)


def _connectors(order: CompareOrder, chosen: Incident, params: dict[str, Any]) -> tuple[str, ...]:
    """The connector profiles, taken out of the parameters; "" for none."""
    if order.connectors and CONNECTOR not in chosen.parameters:
        raise UsageError(
            f"{chosen.name} has no connector, so --connector changes nothing", hint="leave it out"
        )
    _require_named("--connector", order.connectors)
    single = str(params.pop(CONNECTOR, ""))
    return tuple(dict.fromkeys(order.connectors)) or (single,)


def _heal_s(connector: str, given: object, usual: Compared) -> tuple[float, float]:
    """The range that the heal is drawn from: the one given, the profile's, or the ordinary one."""
    if given is not None:
        try:
            heal_s = float(str(given))
        except ValueError:
            heal_s = math.nan
        if not math.isfinite(heal_s):
            raise UsageError(f"{HEAL}={given} is not a number", hint="give seconds of the incident")
        if not heal_s:
            raise UsageError(
                f"{HEAL}={given} lets the app's exits end the outage, so arms cannot be compared",
                hint="give the seconds after which the faults end, or leave it out",
            )
        return heal_s, heal_s
    if not connector:
        return usual.heal_s
    settled = load(connector).figures[SETTLED]
    return settled.low, settled.high


def _remedies(order: CompareOrder, usual: Compared, app: AppUnderTest | None) -> tuple[str, ...]:
    """The remedies that were named; else every one of the app and of crashloop."""
    _require_named("--remedy", order.remedies)
    if order.remedies:
        return tuple(name for name in dict.fromkeys(order.remedies) if name != NONE)
    every = [form for form in known(app or sample_app()) if "=" not in form]
    return tuple(dict.fromkeys([*usual.remedies, *every]))
