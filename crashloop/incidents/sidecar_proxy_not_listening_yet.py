"""The app and the proxy of its database start side by side, and the app dials first: refused.

Sources: github.com/GoogleCloudPlatform/cloud-sql-proxy issues 1757 and 2063;
github.com/simple-container-com/api pull 347 (2026-06-27); github.com/pegasystems/pega-helm-charts
issue 633; github.com/istio/istio issue 11130.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crashloop.faults import plan
from crashloop.incidents.incident import Incident, LookAlike, recovery
from crashloop.incidents.parameter import Parameter
from crashloop.incidents.remedy import Remedy
from crashloop.incidents.usual import HEAL_S, deaths, dependencies, limit, platform
from crashloop.model import CheckSpec, Moment, Outage, Transport, Trigger
from crashloop.platforms import parse_platform
from crashloop.profiles import load_sidecar

if TYPE_CHECKING:
    from crashloop.incidents.parameter import Params

PHASE, TARGET = "database", "postgres"
RETRY_S = 18.0  # chosen: below the limit of the phase


def outage(params: Params) -> Outage:
    """A loopback address at which nothing listens until the app's first life is over."""
    # A container that is started again finds the proxy; one that waits finds it `listens_s` later.
    listens = Moment(
        on="phase.started",
        where={"phase": PHASE, "attempt": 1},
        after_s=_listens_s(params),
    )
    fault = plan(
        name="proxy-not-listening",
        target=TARGET,
        kind="refuse",
        inject=Trigger(first_of=(Moment(on="baseline.passed", where={"target": TARGET}),)),
        heal=Trigger(first_of=(*deaths(1), listens)),
    )
    return Outage(
        phase=PHASE,
        target=TARGET,
        dependencies=dependencies({**params, "transport": Transport.TCP}),
        platform=parse_platform(str(params["platform"])),
        faults=(fault,),
        knobs={"limit_s": params["limit_s"]},
        deadline_s=300.0,
    )


def _listens_s(params: Params) -> float:
    """When the proxy listens, as a profile has it if one is given."""
    profile = str(params["sidecar"])
    return load_sidecar(profile).listens_at_s if profile else float(params["listens_s"])


def expect(_: Params) -> tuple[CheckSpec, ...]:
    """The first life alone is refused, at once; the second one starts."""
    failed = {"phase": PHASE, "times": 1, "errors": ("ConnectionRefusedError",), "at_limit": False}
    refused = {"phase": PHASE, "target": TARGET, "way": "refused"}
    return (
        CheckSpec(check="phase_failed", params=failed),
        CheckSpec(check="fails_at_once", params={"phase": PHASE}),
        CheckSpec(check="connection_was", params=refused),
        CheckSpec(check="exit_code", params={"code": 3, "times": 1}),
        CheckSpec(check="last_phase", params={"phase": PHASE}),
        CheckSpec(check="restart_loop", params={"restarts": 1}),
        CheckSpec(check="no_port_before_ready"),
        *recovery(PHASE),
    )


INCIDENT = Incident(
    name="sidecar-proxy-not-listening-yet",
    title="the database's side-car proxy does not listen yet: refused once, exit 3, then well",
    source="cloud-sql-proxy issues 1757 and 2063; simple-container-com/api pull 347 (2026-06-27); "
    "pega-helm-charts issue 633; istio issue 11130",
    platforms=("kubernetes",),
    facts=(
        "the containers of a pod start side by side: the app dials 127.0.0.1:5432 first",
        "connection to server at 127.0.0.1, port 5432 failed: Connection refused",
        "the proxy was late by milliseconds (pega) to a few seconds",
        "an app that exits is started again, and finds the proxy",
        "an app that hangs instead (pega) is killed by its start-up probe, once, with 137",
        "the fix: a native side-car with a probe of its own, or a retry in the app",
    ),
    look_alikes=(
        LookAlike(says="a path that swallows packets times out", ruled_out_by="connection_was"),
        LookAlike(says="a database that is down refuses each life", ruled_out_by="phase_failed"),
        LookAlike(says="a server that starts answers with 57P03", ruled_out_by="phase_failed"),
    ),
    remedy=Remedy(
        name="retry",
        says="try again until the proxy listens, or start the proxy first: a native side-car with "
        "a start-up probe",
        knobs={"retry_s": RETRY_S},
    ),
    parameters={
        "limit_s": limit(20.0, PHASE),
        "listens_s": Parameter(
            default=5.0,
            low=0.5,
            high=60.0,
            says="when the proxy listens for an app that waits, in seconds (chosen: the reports "
            "say from milliseconds to a few seconds)",
        ),
        "sidecar": Parameter(
            default="", says="side-car profile in place of listens_s: envoy, or FILE.toml"
        ),
        "platform": platform("kubernetes"),
        "heal_s": HEAL_S,
    },
    outage=outage,
    expect=expect,
    time_scale=5.0,
    overlaps={"fault:refuse": "it is the incident's own fault, for longer"},
)
