"""What the local engine cannot do is said before anything starts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from crashloop.engines import possible
from crashloop.engines.possible import require_possible
from crashloop.errors import CapabilityError, CrashloopError, UsageError
from crashloop.faults import plan
from crashloop.model import (
    AppUnderTest,
    Dependency,
    Moment,
    Role,
    Scenario,
    Signature,
    Transport,
    Trigger,
)
from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from pathlib import Path

    from crashloop.model import PlannedFault, Value

POSTGRES = Dependency(name="postgres", kind="postgres")
REDIS = Dependency(name="redis", kind="redis")
NOW = Trigger(first_of=(Moment(on="baseline.passed"),))


def scenario(
    *faults: PlannedFault, dependencies: tuple[Dependency, ...] = (POSTGRES, REDIS)
) -> Scenario:
    return Scenario(
        incident="any",
        title="any",
        params={},
        role=Role.REPRODUCTION,
        app=AppUnderTest(name="any", command=("true",)),
        dependencies=dependencies,
        platform=parse_platform("docker"),
        faults=faults,
        signature=Signature(name="any", require=(), expect=()),
        deadline_s=1,
    )


def fault(kind: str, target: str = "postgres", **params: Value) -> PlannedFault:
    return plan(name="any", target=target, kind=kind, inject=NOW, heal=NOW, params=params)


def refusal(wanted: Scenario, *, platform: str = "linux") -> CrashloopError:
    with pytest.raises(CrashloopError) as caught:
        require_possible(wanted, platform=platform)
    return caught.value


def test_a_scenario_that_asks_for_nothing_special_is_possible_anywhere() -> None:
    unix = replace(POSTGRES, transport=Transport.UNIX)
    for dependencies in ((), (POSTGRES, REDIS), (unix, REDIS)):
        wanted = scenario(dependencies=dependencies)
        require_possible(wanted, platform="darwin")


@pytest.mark.parametrize("kind", ["black_hole", "paused", "recovering"])
def test_what_only_proc_shows_needs_linux(kind: str) -> None:
    wanted = scenario(fault(kind))
    require_possible(wanted, platform="linux")
    error = refusal(wanted, platform="darwin")
    assert isinstance(error, CapabilityError)
    assert kind in error.message
    assert "darwin" in error.message


def test_a_disk_of_its_own_needs_a_mount_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> tuple[str, ...]:
        raise CapabilityError("needs a mount namespace")

    monkeypatch.setattr("crashloop.engines.mounts._unshare", refused)
    error = refusal(scenario(fault("disk_full")))
    assert isinstance(error, CapabilityError)
    assert error.message == "the fault disk_full needs a mount namespace"
    require_possible(scenario(fault("slow_query")))


def test_redis_has_no_unix_socket() -> None:
    unix = replace(REDIS, transport=Transport.UNIX)
    assert isinstance(refusal(scenario(dependencies=(unix,))), CapabilityError)


def test_an_unknown_kind_of_dependency_is_named_with_the_known_ones() -> None:
    error = refusal(scenario(dependencies=(Dependency(name="kafka", kind="kafka"),)))
    assert isinstance(error, CapabilityError)
    assert "kafka" in error.message
    assert "postgres, redis" in error.hint


def test_a_run_has_one_dependency_of_a_kind() -> None:
    error = refusal(scenario(dependencies=(POSTGRES, replace(POSTGRES, name="other"))))
    assert isinstance(error, UsageError)


@pytest.mark.parametrize(
    ("dependency", "name"),
    [
        (replace(POSTGRES, settings={"listen_addresses": "*"}), "listen_addresses of Postgres"),
        (replace(REDIS, settings={"port": 6379}), "port of Redis"),
    ],
)
def test_a_setting_that_only_the_lab_may_choose_is_named(dependency: Dependency, name: str) -> None:
    error = refusal(scenario(dependencies=(dependency,)))
    assert isinstance(error, UsageError)
    assert name in error.message
    assert "it can set" in error.hint


@pytest.mark.parametrize(
    ("cwd", "folder", "is_there"),
    [
        ("", ".", True),
        ("", "data", False),
        ("", "/", True),
        ("", "/nonexistent", False),
        ("{here}", ".", True),
        ("{here}", "data", True),
        ("{here}", "file", False),
        ("{here}", "nonexistent", False),
    ],
)
def test_a_folder_that_is_to_be_read_only_must_be_there(
    cwd: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_there: bool
) -> None:
    monkeypatch.setattr(possible, "require_namespace", lambda _: None)
    (tmp_path / "data").mkdir()
    (tmp_path / "file").touch()
    wanted = scenario(fault("read_only_files", "replicas", folder=folder))
    wanted = replace(wanted, app=replace(wanted.app, cwd=cwd.format(here=tmp_path)))
    if is_there:
        require_possible(wanted, platform="linux")
        return
    error = refusal(wanted)
    assert isinstance(error, UsageError)
    assert error.message == (
        f"the fault read_only_files has folder={folder}, and there is no such folder"
    )
