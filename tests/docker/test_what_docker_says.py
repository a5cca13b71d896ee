"""What Docker itself says of a run, asked by a client of the test's own, and what the trace says.

Most runs are short: they have one death.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from docker_cases import recorder
from mutant_apps import MUTANTS, mutant
from mutant_runs import of_sample_app

from crashloop.clock import TimeScale
from crashloop.engines.base import Setup
from crashloop.engines.docker.daemon import connect
from crashloop.engines.docker.owner import OWNER_LABEL, owner_label
from crashloop.engines.docker.removal import ROLE_LABEL, RUN_LABEL
from crashloop.incidents import incident
from crashloop.lab import run_scenario
from crashloop.model import CheckSpec, Moment, Role, Scenario, Trigger, Verdict
from crashloop.options import RunOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from crashloop.engines.docker.engine import DockerEngine
    from crashloop.run import Run
    from crashloop.trace.event import Event

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

DEATHS = 3
SCALE = TimeScale(factor=3)
BOUND_S = 60.0
# Prints for each address whether a connection to it can be opened.
PROBE = """
import json, socket, sys
def probe(host, port):
    try:
        socket.create_connection((host, int(port)), 1.0).close()
    except OSError as error:
        return type(error).__name__
    return "open"
print(json.dumps({each: probe(*each.rsplit(":", 1)) for each in sys.argv[1:]}))
"""


@dataclass(slots=True, kw_only=True)
class Heard:
    """A run, and what the test heard and saw of it on the daemon meanwhile."""

    events: list[dict[str, Any]] = field(default_factory=list)
    containers: dict[str, dict[str, Any]] = field(default_factory=dict)
    trace: Any = None
    artifacts: Path = Path()
    verdict: Verdict | None = None

    def of_app(self, action: str) -> list[dict[str, Any]]:
        """The app container's events of this action, from Docker."""
        return [
            event
            for event in self.events
            if event["Action"] == action and event["Actor"]["Attributes"][ROLE_LABEL] == "app"
        ]


@pytest.fixture(scope="module")
def heard(docker_engine: type[DockerEngine], tmp_path_factory: pytest.TempPathFactory) -> Heard:
    """One reproduction, watched from outside from its first container to its end."""
    seen = Heard()
    seen.artifacts = tmp_path_factory.mktemp("heard") / "run"
    with contextlib.closing(connect()) as daemon:
        stream = daemon.api.events(filters=_ours(), decode=True)
        listening = threading.Thread(target=lambda: seen.events.extend(stream))
        listening.start()
        looking = threading.Thread(target=lambda: _look(daemon.client, seen))

        def on_event(event: Event) -> None:
            if event.kind == "process.started" and event.attempt == 1:
                looking.start()

        options = RunOptions(
            engine=docker_engine,
            scale=SCALE,
            seed=1278,
            artifacts=seen.artifacts,
            on_event=on_event,
        )
        run = asyncio.run(run_scenario(incident("issue-1278").scenario(), options))
        looking.join(BOUND_S)
        stream.close()
        listening.join(BOUND_S)
    seen.trace, seen.verdict = run.trace, run.verdict
    return seen


def _ours() -> dict[str, Any]:
    return {"type": "container", "label": f"{OWNER_LABEL}={owner_label()}"}


def _look(client: Any, seen: Heard) -> None:
    """Inspect every container while the first attempt runs."""
    filters = {"label": f"{OWNER_LABEL}={owner_label()}"}
    seen.containers = _inspected(client, filters)


def _inspected(client: Any, filters: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The containers by their roles, as `docker inspect` shows them."""
    listed = client.api.containers(all=True, filters=filters)
    found = [client.api.inspect_container(one["Id"]) for one in listed]
    return {one["Config"]["Labels"][ROLE_LABEL]: one for one in found}


def test_docker_and_the_trace_agree_on_every_start_and_every_death(heard: Heard) -> None:
    assert heard.verdict is Verdict.REPRODUCED
    docker_starts = [event["timeNano"] for event in heard.of_app("start")]
    docker_deaths = [
        (event["timeNano"], int(event["Actor"]["Attributes"]["exitCode"]))
        for event in heard.of_app("die")
    ]

    starts = [event.data["time_ns"] for event in heard.trace.of("process.started")]
    exits = heard.trace.of("process.exited")

    assert starts == docker_starts
    assert [(event.data["time_ns"], event.data["exit_code"]) for event in exits] == docker_deaths
    assert [code for _, code in docker_deaths] == [3] * DEATHS + [0]


def test_docker_counts_as_many_restarts_as_there_are_attempts_less_one(heard: Heard) -> None:
    app = json.loads((heard.artifacts / "containers.json").read_text())["app"]

    assert app["RestartCount"] == len(heard.trace.of("process.started")) - 1 == DEATHS
    assert app["HostConfig"]["RestartPolicy"]["Name"] == "on-failure"


def test_every_line_of_the_app_is_in_the_log_of_exactly_one_attempt(heard: Heard) -> None:
    logs = [
        (heard.artifacts / f"attempt-{number}.log").read_text() for _, number in heard.trace.lives()
    ]

    boots = [event.data["boot_id"] for event in heard.trace.of("startup.started")]
    assert len(set(boots)) == len(boots) == DEATHS + 1
    for number, boot in enumerate(boots):
        assert [boot in log for log in logs] == [each == number for each in range(len(logs))]
    whole = (heard.artifacts / "app.log").read_text().splitlines()
    assert [line for log in logs for line in log.splitlines()] == whole
    assert len(list(heard.artifacts.glob("attempt-*.log"))) == len(logs)


def test_each_life_has_a_name_of_its_own_in_postgres(heard: Heard) -> None:
    log = (heard.artifacts / "postgres.log").read_text()

    assert f"application_name=app-1-{DEATHS + 1}" in log
    assert "application_name=app-1-1" not in log, "its connections never arrived"


async def test_the_proxies_are_the_only_way_to_the_servers_and_no_port_is_published(
    docker_engine: type[DockerEngine], tmp_path: Path
) -> None:
    events = recorder()
    scenario = incident("issue-1278").scenario()
    setup = Setup(scenario=scenario, seed=1, scale=SCALE, recorder=events, artifacts=tmp_path)
    async with docker_engine.open(setup):
        (ready,) = (event for event in events.events if event.kind == "lab.ready")
        filters = {"label": f"{RUN_LABEL}={ready.data['run']}"}
        with contextlib.closing(connect()) as daemon:
            containers = await asyncio.to_thread(_inspected, daemon.client, filters)
            answers = await asyncio.to_thread(_probe, daemon.client, containers)

    for path in ("toxiproxy", "sidecar"):
        assert answers.pop(path) == "open", "or the test's own probe does not work"
    assert set(answers) == {
        f"{role}'s {how}" for role in ("postgres", "redis") for how in ("address", "name")
    }
    assert "open" not in answers.values()
    assert {"app", "redis", "postgres", "sidecar", "toxiproxy"} <= set(containers)
    for role, container in containers.items():
        assert not container["HostConfig"]["PortBindings"], role
        assert not container["HostConfig"]["PublishAllPorts"], role
        assert not any((container["NetworkSettings"]["Ports"] or {}).values()), role
        assert container["HostConfig"]["NetworkMode"] != "host", role


def _probe(client: Any, containers: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Connect to the servers, and to their proxies, from a container on the app's network."""
    (front,) = containers["app"]["NetworkSettings"]["Networks"]
    places = {}
    for server, proxy, port in (("postgres", "toxiproxy", 5432), ("redis", "sidecar", 6379)):
        networks = containers[server]["NetworkSettings"]["Networks"].values()
        (address,) = (one["IPAddress"] for one in networks)
        places[f"{server}'s address"] = f"{address}:{port}"
        places[f"{server}'s name"] = f"{containers[server]['Name'].strip('/')}:{port}"
        places[proxy] = f"{containers[proxy]['Name'].strip('/')}:{port}"
    output = client.containers.run(
        containers["app"]["Image"],
        ["python", "-c", PROBE, *places.values()],
        network=front,
        remove=True,
    )
    return dict(zip(places, json.loads(output).values(), strict=True))


def test_no_password_is_in_any_file_of_the_evidence(heard: Heard) -> None:
    settings = {
        name: value
        for role in ("app", "postgres")
        for name, _, value in (
            one.partition("=") for one in heard.containers[role]["Config"]["Env"]
        )
    }
    of_app = settings["APP_DATABASE_URL"].partition("://")[2].partition("@")[0].partition(":")[2]
    secrets = {settings["POSTGRES_PASSWORD"], of_app}

    assert min(len(secret) for secret in secrets) >= 32
    files = [path for path in heard.artifacts.rglob("*") if path.is_file()]
    assert {"containers.json", "postgres.log", "trace.jsonl"} <= {path.name for path in files}
    assert [
        path.name for path in files if any(s in path.read_text(errors="replace") for s in secrets)
    ] == []


def with_one_death(name: str = "", folder: Path = MUTANTS, **params: str) -> Scenario:
    """The incident with one death, its app replaced by the mutant in `folder`."""
    app = replace(mutant(name, MUTANT_DEATHS="1"), cwd=str(folder)) if name else None
    policy = {"platform": "docker:on-failure:1"}
    scenario = of_sample_app(incident("issue-1278"), app, **policy, **params)
    heal = Trigger(first_of=(Moment(on="process.exited", where={"attempt": 1}),))
    expect = tuple(_once(spec) for spec in scenario.signature.expect)
    return replace(
        scenario,
        faults=tuple(replace(fault, heal=heal) for fault in scenario.faults),
        signature=replace(scenario.signature, expect=expect),
    )


def _once(spec: CheckSpec) -> CheckSpec:
    counts = {name: 1 for name in spec.params if name in {"times", "restarts"}}
    return replace(spec, params={**spec.params, **counts})


@pytest.fixture
def run(docker_engine: type[DockerEngine], tmp_path: Path) -> Callable[[Scenario, str], Any]:
    async def run(scenario: Scenario, name: str = "run") -> Run:
        options = RunOptions(
            engine=docker_engine, scale=SCALE, seed=1278, artifacts=tmp_path / name
        )
        return await run_scenario(scenario, options)

    return run


APPS = {
    "exits_with_1": ("exit_code", "attempt 1 ended with exit 1, not exit 3"),
    # There is no socket but the side-car's: it dies of that, and touches no connection.
    "goes_around_the_proxy": ("phase_failed", "failed with RuntimeError <- StopIteration"),
    "name_error_in_database": ("phase_failed", "attempt 1 failed with NameError"),
    "wrong_password": ("phase_failed", "[28P01]"),
}


@pytest.mark.parametrize("app", APPS)
async def test_a_broken_app_of_the_user_is_not_the_incident(app: str, run: Any) -> None:
    done = await run(with_one_death(app))

    check, words = APPS[app]
    reason = done.judgement.reason
    assert done.verdict in {Verdict.NOT_REPRODUCED, Verdict.INCONCLUSIVE}, reason
    refuted = [one for one in done.judgement.findings if one.check == check and not one.holds]
    assert [one for one in refuted if words in one.says], reason


@pytest.mark.parametrize(("transport", "fault"), [("unix", "hold"), ("tcp", "black_hole")])
async def test_a_connection_of_the_apps_child_process_is_its_attempts_own(
    transport: str, fault: str, run: Any
) -> None:
    done = await run(with_one_death("works_in_a_child", transport=transport, fault=fault))

    assert done.verdict is Verdict.REPRODUCED, done.judgement.reason


async def test_an_app_that_opens_its_port_early_is_seen_from_outside_its_container(
    run: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "src"
    folder.mkdir()
    mutant = (MUTANTS / "opens_its_port_early.py").read_text()
    (folder / "early.py").write_text(mutant.replace("127.0.0.1", "0.0.0.0"))  # noqa: S104  in its container

    done = await run(with_one_death("early", folder))

    assert done.verdict is Verdict.NOT_REPRODUCED, done.judgement.reason
    assert "attempt 1 opened its port before start-up was complete" in done.judgement.reason


async def test_two_runs_at_once_do_not_disturb_each_other(run: Any) -> None:
    healthy = incident("issue-1278").scenario(Role.CONTROL)

    one, other = await asyncio.gather(run(with_one_death(), "one"), run(healthy, "other"))

    assert one.verdict is Verdict.REPRODUCED, one.judgement.reason
    assert other.verdict is Verdict.NOT_REPRODUCED, other.judgement.reason
    assert [life.attempt for life in one.trace.lives()] == [1, 2]
    assert [life.attempt for life in other.trace.lives()] == [1]
    labels = []
    for done in (one, other):
        states = json.loads((done.artifacts / "containers.json").read_text())
        assert {"app", "redis", "postgres", "sidecar", "toxiproxy"} <= set(states)
        labels.append({state["Config"]["Labels"][RUN_LABEL] for state in states.values()})
    assert [len(each) for each in labels] == [1, 1]
    assert labels[0] != labels[1]
