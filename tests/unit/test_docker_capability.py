"""What the Docker engine offers, and how it refuses the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crashloop.engines.docker.capability import (
    is_dockers_own,
    maker,
    makers,
    require_possible,
    restart_policy,
)
from crashloop.errors import CapabilityError
from crashloop.faults import plan
from crashloop.incidents import incident
from crashloop.model import (
    Dependency,
    Moment,
    Probe,
    ProbeKind,
    Scenario,
    Transport,
    Trigger,
    Value,
)
from crashloop.platforms import PLATFORMS, parse_platform
from crashloop.proxy.faults import KINDS

UNIX, TCP = Transport.UNIX, Transport.TCP
NEEDS_SYNS = {"black_hole", "connect_delay"}
OFFERED = (
    {("postgres", UNIX, kind): "sidecar" for kind in set(KINDS) - NEEDS_SYNS}
    | {("redis", TCP, kind): "sidecar" for kind in set(KINDS) - NEEDS_SYNS}
    | {
        ("postgres", UNIX, "latency"): "toxiproxy",
        ("postgres", TCP, "latency"): "toxiproxy",
        ("postgres", TCP, "refuse"): "gate",
        ("postgres", TCP, "black_hole"): "gate",
    }
)
PATHS = (("postgres", UNIX), ("postgres", TCP), ("redis", TCP))
EVERY = [(target, transport, kind) for target, transport in PATHS for kind in KINDS]
WHY_NOT = {
    ("postgres", TCP, "hold"): "accepts every connection at once and cannot hold one",
    ("postgres", TCP, "slow_connect"): "accepts every connection at once and cannot hold one",
    ("postgres", TCP, "connect_delay"): "in the network namespace of the app's own container",
    ("redis", TCP, "black_hole"): "are in another network namespace than the side-car's",
}
PARAMS: dict[str, dict[str, Value]] = {
    "latency": {"latency_s": 1.0},
    "connect_delay": {"delay_s": 1.0},
    "bandwidth": {"rate_bytes_s": 1},
    "slow_close": {"delay_s": 1.0},
    "timeout": {"timeout_s": 1.0},
    "reset_peer": {"timeout_s": 1.0},
    "slicer": {"average_bytes": 1},
    "limit_data": {"limit_bytes": 1},
    "slow_connect": {"low_s": 1.0, "high_s": 2.0},
}


def scenario(transport: Transport, *kinds: str, target: str = "postgres") -> Scenario:
    never = Trigger(first_of=(Moment(on="never"),))
    faults = tuple(
        plan(
            name=kind,
            target=target,
            kind=kind,
            params=PARAMS.get(kind),
            inject=never,
            heal=never,
        )
        for kind in kinds
    )
    dependencies = (
        Dependency(name="postgres", kind="postgres", transport=transport),
        Dependency(name="redis", kind="redis"),
    )
    made = incident("issue-1278").scenario()
    return replace(made, dependencies=dependencies, faults=faults)


@pytest.mark.parametrize(("target", "transport", "kind"), EVERY)
def test_every_fault_on_every_path_is_made_here_or_refused_with_a_reason(
    target: str, transport: Transport, kind: str
) -> None:
    wanted = scenario(transport, kind, target=target)

    if (made_by := OFFERED.get((target, transport, kind))) is not None:
        require_possible(wanted)
        assert makers(wanted) == {made_by}
        assert maker(wanted.dependency(target), kind) == made_by
    else:
        with pytest.raises(CapabilityError) as refused:
            require_possible(wanted)
        assert f"no fault {kind} on {target} over {transport}: " in refused.value.message
        assert WHY_NOT.get((target, transport, kind), "") in refused.value.message
        assert "--engine local" in refused.value.hint


def test_a_refusal_lists_every_fault_that_the_path_has() -> None:
    with pytest.raises(CapabilityError) as refused:
        require_possible(scenario(TCP, "hold"))

    assert refused.value.hint.endswith(": latency, refuse, black_hole")


def test_one_unsupported_fault_refuses_the_whole_plan() -> None:
    with pytest.raises(CapabilityError, match="no fault connect_delay on postgres over tcp"):
        require_possible(scenario(TCP, "latency", "connect_delay"))


@pytest.mark.parametrize("kind", ["paused", "starting_up", "slots_taken"])
def test_a_fault_of_postgres_itself_needs_no_part_of_the_path(kind: str) -> None:
    wanted = scenario(TCP, kind)

    require_possible(wanted)
    assert makers(wanted) == set()


def test_a_fault_of_a_server_that_is_not_to_be_had_is_refused_with_the_reason() -> None:
    with pytest.raises(CapabilityError, match="no fault recovering: the start of a container"):
        require_possible(scenario(TCP, "recovering"))
    with pytest.raises(CapabilityError, match="no fault disk_full: the data of Postgres"):
        require_possible(scenario(TCP, "disk_full"))


def test_the_refused_cache_is_made_by_the_part_that_makes_refuse() -> None:
    wanted = scenario(TCP, "cache_refused", target="redis")

    require_possible(wanted)
    assert makers(wanted) == {"sidecar"}


def test_redis_over_a_unix_socket_is_refused() -> None:
    dependency = Dependency(name="redis", kind="redis", transport=UNIX)
    wanted = scenario(UNIX)
    wanted = replace(wanted, dependencies=(wanted.dependencies[0], dependency))

    with pytest.raises(CapabilityError, match="no redis over unix"):
        require_possible(wanted)


def test_a_scenario_without_postgres_is_refused() -> None:
    wanted = replace(scenario(UNIX), dependencies=(Dependency(name="redis", kind="redis"),))

    with pytest.raises(CapabilityError, match="needs a Postgres"):
        require_possible(wanted)


@pytest.mark.parametrize(
    ("text", "name", "count"),
    [
        ("docker:on-failure:6", "on-failure", 6),
        ("docker", "on-failure", 0),
        # Docker refuses a count with any other policy than on-failure.
        ("docker:always", "always", 0),
        ("docker:unless-stopped", "unless-stopped", 0),
        ("kubernetes", "no", 0),
        ("cloud-run-observed:3", "no", 0),
    ],
)
def test_docker_restarts_only_what_runs_on_its_own_platform(
    text: str, name: str, count: int
) -> None:
    policy = restart_policy(parse_platform(text))

    assert policy == {"Name": name, "MaximumRetryCount": count}


@pytest.mark.parametrize("name", sorted(set(PLATFORMS) - {"docker"}))
def test_on_every_other_platform_dockers_own_restart_is_off(name: str) -> None:
    platform = parse_platform(name)

    assert not is_dockers_own(platform)
    assert restart_policy(platform) == {"Name": "no", "MaximumRetryCount": 0}


def test_docker_does_not_restart_the_old_revision() -> None:
    assert restart_policy(parse_platform("docker:always"), is_old=True)["Name"] == "no"


def test_with_a_probe_the_supervisor_restarts_as_docker_has_none_that_kills() -> None:
    platform = parse_platform("docker:always")

    assert is_dockers_own(platform)
    assert not is_dockers_own(replace(platform, liveness=Probe(kind=ProbeKind.TCP)))


def with_app(venv: str = "") -> Scenario:
    made = incident("issue-1278").scenario()
    return replace(made, app=replace(made.app, name="shop", venv=venv))


def test_an_own_app_needs_an_image_and_the_refusal_says_how_to_name_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CRASHLOOP_DOCKER_APP_IMAGE", raising=False)
    with pytest.raises(CapabilityError, match=r"app shop needs an image") as refused:
        require_possible(with_app())
    assert "--engine local" in refused.value.hint
    assert "CRASHLOOP_DOCKER_APP_IMAGE=IMAGE" in refused.value.hint


def test_an_own_app_in_an_image_of_its_own_is_possible_and_its_virtual_environment_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CRASHLOOP_DOCKER_APP_IMAGE", "shop:1")
    require_possible(with_app())
    with pytest.raises(CapabilityError, match="virtual environment of app shop is not in a cont"):
        require_possible(with_app(venv="/srv/shop/.venv"))
