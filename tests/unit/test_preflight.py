"""What contradicts itself or cannot run is refused before anything starts, each in one message."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from crashloop.apps import load_entry, sample_app
from crashloop.clock import TimeScale
from crashloop.errors import CapabilityError, UsageError
from crashloop.faults import fault_kind
from crashloop.model import (
    CheckSpec,
    Dependency,
    Moment,
    PlannedFault,
    Platform,
    Probe,
    ProbeKind,
    Ready,
    Replicas,
    RestartPolicy,
    Role,
    Scenario,
    Signature,
    SqlStep,
    Transport,
    Trigger,
)
from crashloop.preflight import capacity, require_runnable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from crashloop.engines.base import Engine
    from crashloop.model import Value

SCALE = TimeScale(factor=20.0)
AT_ONCE = Trigger(first_of=(Moment(on="baseline.passed"),))
KUBERNETES = Platform(name="kubernetes", restart=RestartPolicy(name="kubernetes"))


class Here:
    """An engine on this machine that can do everything, unless it is `unable`."""

    name = "local"
    unable = ""

    @classmethod
    def require_possible(cls, scenario: Scenario) -> None:
        del scenario
        if cls.unable:
            raise CapabilityError(cls.unable)


class Elsewhere(Here):
    name = "docker"


class Unable(Here):
    unable = "not here"


def planned(
    kind: str = "hold", target: str = "postgres", params: Mapping[str, Value] | None = None
) -> PlannedFault:
    return PlannedFault(
        name="outage",
        target=target,
        kind=kind,
        receipt=fault_kind(kind).receipt,
        inject=AT_ONCE,
        heal=AT_ONCE,
        params={"delay_s": 30.0} if params is None and kind == "hold" else params or {},
    )


def scenario(**fields: Any) -> Scenario:
    given: dict[str, Any] = {
        "incident": "issue-1278",
        "title": "a test",
        "params": {},
        "role": Role.REPRODUCTION,
        "app": sample_app(),
        "dependencies": (
            Dependency(name="postgres", kind="postgres", transport=Transport.UNIX),
            Dependency(name="redis", kind="redis"),
        ),
        "platform": KUBERNETES,
        "faults": (planned(),),
        "signature": Signature(name="s", require=(), expect=()),
        "deadline_s": 260.0,
        "phase": "database",
        **fields,
    }
    return Scenario(**given)


def with_knobs(**knobs: Value) -> Scenario:
    app = sample_app()
    return scenario(app=replace(app, knobs={**app.knobs, **knobs}))


def probed(probe: Probe) -> Scenario:
    return scenario(platform=replace(KUBERNETES, liveness=probe))


def asking(spec: CheckSpec) -> Scenario:
    return scenario(signature=Signature(name="s", require=(), expect=(spec,)))


def require(it: Scenario, engine: type[Here] = Here, scale: TimeScale = SCALE) -> None:
    require_runnable(it, scale, cast("type[Engine]", engine))


def test_the_sample_app_is_runnable() -> None:
    require(scenario())


def test_a_scenario_in_real_time_only_is_refused_at_another_scale() -> None:
    it = scenario(real_time_only="the kernel times it")
    with pytest.raises(CapabilityError, match="real time only: the kernel times it"):
        require(it)
    require(it, scale=TimeScale(factor=1.0))


def test_what_an_engine_cannot_do_is_its_own_word() -> None:
    with pytest.raises(CapabilityError, match="not here"):
        require(scenario(), Unable)


def test_a_folder_that_is_missing_is_named_on_every_engine(tmp_path: Path) -> None:
    app = replace(sample_app(), cwd=str(tmp_path / "none"))
    for engine in (Here, Elsewhere):
        with pytest.raises(UsageError, match=r"folder of app sample does not exist: .*none"):
            require(scenario(app=app), engine)


def test_an_environment_without_a_python_is_named_with_the_place_of_the_entry(
    tmp_path: Path,
) -> None:
    app = replace(sample_app(), venv=str(tmp_path), source="shop.toml:3")
    with pytest.raises(UsageError, match=r"^shop\.toml:3: the virtual environment of app sample"):
        require(scenario(app=app))


def test_a_program_is_looked_for_on_this_machine_only() -> None:
    app = replace(sample_app(), command=("no-such-program",))
    require(scenario(app=app), Elsewhere)
    with pytest.raises(UsageError, match="starts no-such-program"):
        require(scenario(app=app))


def test_an_image_needs_docker_and_none_of_this_machines_folders() -> None:
    app = replace(sample_app(), image="shop:1", cwd="/srv/in-the-image")
    require(scenario(app=app), Elsewhere)
    with pytest.raises(CapabilityError, match=r"an `image`, which only Docker(?s:.)*--engine doc"):
        require(scenario(app=app))


def test_a_folder_to_build_needs_a_dockerfile(tmp_path: Path) -> None:
    app = replace(sample_app(), build=str(tmp_path), cwd="")
    with pytest.raises(UsageError, match="no Dockerfile of app sample in"):
        require(scenario(app=app), Elsewhere)
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    require(scenario(app=app), Elsewhere)


@pytest.mark.parametrize(
    "command",
    [
        ("gunicorn", "main:app"),
        ("bin/gunicorn", "-k", "uvicorn.workers.UvicornWorker", "main:app"),
        ("{python}", "-m", "gunicorn", "main:app"),
        ("uv", "run", "gunicorn", "main:app"),
    ],
)
def test_an_open_port_is_no_sign_of_being_ready_under_gunicorn(command: tuple[str, ...]) -> None:
    app = replace(sample_app(), command=command, ready=Ready(), source="shop.toml:3")
    with pytest.raises(UsageError, match=r'^shop\.toml:3: (?s:.)*ready = "GET /health"'):
        require(scenario(app=app), Elsewhere)
    for ready in (Ready(path="/health"), Ready(log="Booting worker")):
        require(scenario(app=replace(app, ready=ready)), Elsewhere)


def test_an_open_port_is_a_sign_of_being_ready_under_another_server() -> None:
    require(scenario(app=replace(sample_app(), ready=Ready())))


def test_a_program_of_setup_that_does_not_exist_is_named() -> None:
    app = replace(sample_app(), setup=("no-such", "upgrade"))
    with pytest.raises(UsageError, match="the `setup` of app sample starts no-such"):
        require(scenario(app=app))


@pytest.mark.parametrize(
    ("field", "text", "line"),
    [
        ("command", 'command = "no-such"', 3),
        ("command", 'command = "gunicorn main:app"', 3),
        ("setup", 'setup = "no-such upgrade"', 6),
        ("remedies", 'remedies.mine = {command = "no-such"}', 6),
        ("venv", 'venv = "none"', 6),
        ("cwd", 'cwd = "none"', 6),
    ],
)
def test_what_this_machine_does_not_have_is_named_with_its_own_line(
    tmp_path: Path, field: str, text: str, line: int
) -> None:
    lines = ["# an entry", "[apps.shop]", 'command = "sh"', "env = {A = '{redis.url}'}", ""]
    if field == "command":
        lines[2] = text
    path = tmp_path / "crashloop.toml"
    path.write_text("\n".join([*lines, text if field != "command" else ""]))
    app = load_entry(path, "shop")
    with pytest.raises(UsageError, match=f"^{path}:{line}: "):
        require(scenario(app=app, phase=""))


def test_the_placeholders_of_a_service_have_values() -> None:
    app = sample_app()
    app = replace(app, env={**app.env, "STOCK": "{services.stock.url}"})
    require(scenario(app=replace(app, services={"stock": "127.0.0.1:9000"})))
    with pytest.raises(UsageError, match=r"STOCK of app sample: unknown placeholder"):
        require(scenario(app=app))


HTTP, COMMAND = ProbeKind.HTTP, ProbeKind.COMMAND


@pytest.mark.parametrize(
    ("it", "says"),
    [
        (scenario(faults=(planned(target="db"),)), r"acts on 'db', which .* not have\n.*postgres"),
        (scenario(faults=(planned(target="replicas"),)), "is hold, which does not act on replicas"),
        (scenario(faults=(planned("slots_taken", "redis"),)), "slots_taken, which does not act on"),
        (
            scenario(faults=(planned("revision_change", "replicas"),)),
            r"is revision_change, .* no old revision\n.*an overlap of 1",
        ),
        (scenario(faults=(planned("black_hole"),)), r"not act over unix.*\n.*transport=tcp"),
        (scenario(faults=(planned(params={"delay": 1.0}),)), "hold has no parameter .delay."),
        (with_knobs(warm_connections=51), r"warm_connections is 51, .* room for 50\n.* 20 \+ "),
        (
            scenario(replicas=Replicas(overlap=1, old_knobs={"warm_connections": 90})),
            "warm_connections of the old revision is 90",
        ),
        (
            scenario(replicas=Replicas(overlap=1, old_knobs={"pool": 90})),
            "the app sample has no knob 'pool'",
        ),
        (scenario(replicas=Replicas(count=0)), "0 replicas"),
        (scenario(phase="boot"), r"about phase boot, .*\n.*init, dependencies, database"),
        (
            scenario(dependencies=(Dependency(name="postgres", kind="postgres"),)),
            r"APP_CACHE_URL of app sample: unknown placeholder \{redis.url\}",
        ),
        (probed(Probe(kind=HTTP)), "the liveness probe of kubernetes requests the path ''"),
        (probed(Probe(kind=COMMAND)), "probe of kubernetes runs a command and names none"),
        (probed(Probe(kind=COMMAND, command=("no-such",))), "probe of kubernetes starts no-such"),
        (probed(Probe(kind=ProbeKind.TCP, period_s=0)), "period_s=0"),
        (probed(Probe(kind=ProbeKind.TCP, failures=0)), "failures=0"),
        (asking(CheckSpec(check="no_such_check")), "asks for 'no_such_check', which is no check"),
        (
            asking(CheckSpec(check="no_death", params={"colour": "red"})),
            "cannot ask no_death: .*colour",
        ),
    ],
)  # fmt: skip
def test_a_contradiction_is_one_message(it: Scenario, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        require(it)


def test_a_query_of_a_database_that_is_not_there_is_refused() -> None:
    app = sample_app()
    step = SqlStep(sql="select 1", equals=1, target="redis")
    it = scenario(app=replace(app, journey=replace(app.journey, steps=(step,))))
    with pytest.raises(UsageError, match="step 1 of app sample's journey asks redis"):
        require(it)
    it = scenario(app=replace(app, before=(step,)))
    with pytest.raises(UsageError, match="step 1 of `before` of app sample asks redis"):
        require(it)


@pytest.fixture
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "processors", lambda: 2)


@pytest.mark.usefixtures("_two_cores")
@pytest.mark.parametrize(
    ("knobs", "replicas", "platform", "largest", "limit"),
    [
        ({}, Replicas(count=11), KUBERNETES, 10, "the run's deadline is 13 s"),
        ({"limit_s": 4.0}, Replicas(count=6), KUBERNETES, 5, "here: limit_s is 0.2 s"),
        ({"warm_connections": 50}, Replicas(count=3), KUBERNETES, 2, "here: limit_s is"),
        (
            {},
            Replicas(count=4),
            replace(KUBERNETES, liveness=Probe(kind=HTTP, path="/", delay_s=10.0, period_s=15.0)),
            2,
            "what the liveness probe allows is 2.75 s",
        ),
    ],
)
def test_more_replicas_than_the_processors_can_start_are_refused_with_the_largest_number(
    knobs: dict[str, Value], replicas: Replicas, platform: Platform, largest: int, limit: str
) -> None:
    it = replace(with_knobs(**knobs), replicas=replicas, platform=platform)
    with pytest.raises(UsageError, match=f"{limit}.*(?s:.)*at most {largest} replicas"):
        require(it)
    require(replace(it, replicas=replace(replicas, count=largest)))
    require(it, Elsewhere)
    require(replace(it, replicas=replace(replicas, stagger_s=6.0)))


@pytest.mark.usefixtures("_two_cores")
def test_one_replica_is_left_to_the_control_run() -> None:
    require(scenario(), scale=TimeScale(factor=1000.0))
