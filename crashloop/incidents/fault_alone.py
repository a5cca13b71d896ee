"""One fault alone, under the sample app or under the user's own.

Such a run has the name `fault:KIND[:NAME=VALUE,...]`. It is no real outage, so it is not in the
library: it shows what the fault looks like, and that it cannot be taken for its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from crashloop.errors import UsageError
from crashloop.faults import KINDS, REPLICAS, fault_kind, plan, read_params
from crashloop.incidents.incident import Incident
from crashloop.incidents.own_app import NotApplicableError
from crashloop.incidents.parameter import Parameter, Params
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import (
    HEAL_S,
    POOLER,
    by_name,
    deaths,
    dependencies,
    limit,
    platform,
)
from crashloop.model import ALONE, CheckSpec, Moment, Outage, Role, Signature, Trigger
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crashloop.faults.alone import Alone
    from crashloop.model import AppUnderTest, Scenario, Value

PREFIX = ALONE
RECOVERY_S = 200.0  # chosen: two starts, and the back-off between them


def fault_alone(name: str) -> Incident:
    """The run of one fault by its name, as an incident; UsageError if the name is none."""
    kind, colon, texts = name.removeprefix(PREFIX).partition(":")
    found, alone = fault_kind(kind), _alone(kind)
    given = read_params(kind, _texts(kind, texts)) if colon else {}
    params = _params(alone, given)
    _outage(kind, alone, params, _DEFAULTS | _own(alone))
    return _Alone(
        name=name,
        title=f"the fault {kind} alone, at {alone.target}",
        source="the catalogue of faults: crashloop faults",
        facts=((found.__doc__ or kind).strip().partition("\n")[0],),
        look_alikes=(),
        remedy=Remedy(name="none", says=alone.ends),
        parameters={
            "limit_s": limit(alone.limit_s, alone.phase),
            "transport": Parameter(
                default=str(alone.transport),
                choices=("unix", "tcp"),
                says="how the app reaches Postgres",
            ),
            "pooler": _pooler(alone.pooler),
            "platform": platform(alone.platform),
            "heal_s": HEAL_S,
        },
        outage=lambda values: _outage(kind, alone, params, values),
        expect=lambda _: alone.shows,
        time_scale=alone.time_scale,
        lacks=_names_of_the_sample_app(alone, params, given),
    )


_DEFAULTS: Params = {"limit_s": 20.0, "heal_s": 0.0}


def _own(alone: Alone) -> Params:
    return {"transport": str(alone.transport), "platform": alone.platform}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alone(Incident):
    """An incident that asks what one fault looks like, and nothing else.

    `lacks` are parameters that were not given, and that name something of the sample app.
    """

    lacks: tuple[str, ...] = ()

    @property
    def called(self) -> str:
        """What it is called in messages, without its parameters."""
        return f"the fault {self.kind}"

    @property
    def kind(self) -> str:
        """The kind of the fault."""
        return self.name.split(":")[1]

    def scenario(
        self,
        role: Role = Role.REPRODUCTION,
        app: AppUnderTest | None = None,
        /,
        *,
        remedy: str = "",
        **params: Any,
    ) -> Scenario:
        """As any incident's.

        UsageError for the run with a remedy where none is named, and for an app of the user's own
        which the fault cannot act on, or not without being told on what.
        """
        if role is Role.REMEDY and not remedy:
            raise UsageError(
                f"{self.called} is no outage: it has no remedy of its own",
                hint="name one: --remedy NAME",
            )
        if app is not None:
            _require_own(self.kind, app, self.lacks)
        made = Incident.scenario(self, role, app, remedy=remedy, **params)
        if app is None:
            _require_table(made)
        if made.is_own_app:
            acted = CheckSpec(
                check="faults_have_receipts",
                params={"phase": "", "target": _alone(self.kind).target},
                needs_fault=True,
            )
            signature = Signature(name=self.name, require=made.signature.require, expect=(acted,))
            return replace(made, signature=signature, not_asked={})
        return made


def _require_own(kind: str, app: AppUnderTest, lacks: Sequence[str]) -> None:
    """Refuse what this app does not use, and what only the sample app has."""
    alone = _alone(kind)
    if alone.target not in {*app.dependencies, REPLICAS}:
        any_app = [k for k, one in KINDS.items() if one.alone and one.alone.target == REPLICAS]
        raise NotApplicableError(
            f"the fault {kind} acts on {alone.target}, which app {app.name} does not use",
            hint=f"if it does, add {alone.target!r} to its `dependencies`; these faults need none: "
            f"{', '.join(any_app)}",
        )
    if lacks:
        usual = ", ".join(f"{each}={alone.params[each]}" for each in lacks)
        example = alone.own.partition(" ")[0].removesuffix(",")
        raise UsageError(
            f"the fault {kind} has to be told what of app {app.name} it acts on; by default, "
            f"that is something of the sample app's: {usual}",
            hint=f"give {alone.own}: crashloop reproduce --fault {kind}:{example} --app {app.name}",
        )


def _require_table(made: Scenario) -> None:
    """Refuse a table of the sample app's: it has none yet, as no life of it comes before."""
    for fault in made.faults:
        if (table := fault.params.get("table")) and not fault.params.get("create"):
            raise UsageError(
                f"the fault {fault.kind} acts before the sample app has made its tables, so there "
                f"is no table {table!r}",
                hint="add create=true, and the fault makes it",
            )


def _names_of_the_sample_app(
    alone: Alone, params: Mapping[str, Value], given: Mapping[str, Value]
) -> tuple[str, ...]:
    """The parameters that were not given, and name something of the sample app."""
    names = [name for name, value in params.items() if not isinstance(value, bool)]
    return tuple(name for name in names if alone.own and name not in given)


def _pooler(mode: str) -> Parameter:
    """Any pooler, or none; the one of `mode` alone where the fault needs it."""
    return replace(POOLER, default=mode, choices=(mode,)) if mode else POOLER


def _alone(kind: str) -> Alone:
    alone = fault_kind(kind).alone
    if alone is None:
        raise UsageError(
            f"the fault {kind} is part of an incident and cannot be run alone",
            hint=f"crashloop faults {kind} names the incidents that have it",
        )
    return alone


def _params(alone: Alone, given: Mapping[str, Value]) -> dict[str, Value]:
    """The parameters given, and the usual ones that they do not replace.

    Who names all that the fault acts on wants no more of the sample app's.
    """
    replaced = set(alone.either) if given.keys() & set(alone.either) else set()
    usual = {name: value for name, value in alone.params.items() if name not in replaced}
    if alone.own and not _names_of_the_sample_app(alone, usual, given):
        return dict(given)
    return usual | dict(given)


def _texts(kind: str, texts: str) -> dict[str, str]:
    """The parameters of a fault's name, as texts; UsageError if it is not written as one."""
    as_in = "as in latency:latency_s=2,jitter_s=0.5"
    if not texts:
        raise UsageError(
            f"the fault {kind} has a colon and no parameter after it",
            hint=f"leave the colon out, or give one, {as_in}",
        )
    found: dict[str, str] = {}
    for one in texts.split(","):
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise UsageError(
                f"{one!r} of the fault {kind} is not NAME=VALUE", hint=f"write parameters {as_in}"
            )
        if name in found:
            raise UsageError(
                f"the fault {kind} got {name} twice", hint=f"give each parameter once, {as_in}"
            )
        if not value:
            raise UsageError(
                f"the fault {kind} got no value for {name}",
                hint="leave the parameter out for its default, or give it a value",
            )
        found[name] = value
    return found


def _outage(kind: str, alone: Alone, amounts: Mapping[str, Value], params: Params) -> Outage:
    at = "postgres" if alone.target == REPLICAS else alone.target
    gone = Moment(on="baseline.passed", where={"target": at})
    begun = "phase.started" if alone.phase else "process.started"
    where = {"phase": alone.phase} if alone.phase else {}
    at_latest = Moment(on=begun, where=where, after_s=alone.heal_s)
    last = deaths(alone.deaths) if alone.deaths else ()
    inject, heal = Trigger(first_of=(gone,)), Trigger(first_of=(*last, at_latest))
    if alone.each_life:
        attempts = range(1, alone.deaths + 1)
        begins = (Moment(on=begun, where={**where, "attempt": number}) for number in attempts)
        inject = Trigger(first_of=tuple(begins))
        heal = Trigger(first_of=(Moment(on="process.exited"), at_latest))
    found = dependencies(params, **(alone.settings if at == "postgres" else {}))
    if alone.by_name:
        found = by_name(found, at)
    return Outage(
        phase=alone.phase,
        target=at,
        dependencies=found,
        platform=replace(parse_platform(str(params["platform"])), startup=alone.startup),
        faults=(
            plan(
                name=kind,
                target=alone.target,
                kind=kind,
                params=amounts,
                inject=inject,
                heal=heal,
                each_life=alone.each_life,
            ),
        ),
        knobs={
            "limit_s": params["limit_s"],
            "prepared_statements": params.get("pooler") != "transaction",
            **alone.knobs,
        },
        deadline_s=alone.heal_s + RECOVERY_S,
        comes=alone.comes,
    )
