"""Planned faults: which there are, what they act on, and how their parameters are read."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from crashloop.clock import TimeScale
from crashloop.errors import CapabilityError, UsageError
from crashloop.faults import KINDS, REPLICAS, build, fault_kind, plan
from crashloop.model import Grade, Moment, Transport, Trigger
from crashloop.proxy.faults import KINDS as PROXY_KINDS
from crashloop.proxy.faults import Bandwidth, Hold, Latency, Slicer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from crashloop.faults.base import Fault
    from crashloop.model import PlannedFault, Value
    from crashloop.proxy.faults import Fault as ProxyFault

NEVER = Trigger(first_of=(Moment(on="never"),))
NEEDED: Mapping[str, dict[str, Value]] = {
    "latency": {"latency_s": 1.0},
    "bandwidth": {"rate_bytes_s": 1000},
    "slow_close": {"delay_s": 1.0},
    "timeout": {"timeout_s": 1.0},
    "reset_peer": {"timeout_s": 1.0},
    "slicer": {"average_bytes": 10},
    "limit_data": {"limit_bytes": 10},
    "connect_delay": {"delay_s": 1.0},
    "slow_connect": {"low_s": 1.0, "high_s": 2.0},
    "lock_held": {"advisory": 7},
    "name_late": {"delay_s": 1.0},
    "missing_setting": {"variable": "NAME"},
    "image_older": {"table": "orders", "column": "id"},
    "shared_capacity": {"table": "orders", "work_s": 1.0},
    "many_workers": {"workers": 2},
}


def planned(kind: str, **params: Value) -> PlannedFault:
    target = min(fault_kind(kind).acts_on)
    return plan(name="x", target=target, kind=kind, inject=NEVER, heal=NEVER, params=params)


def built(kind: str, *, factor: float = 20, **params: Value) -> Fault:
    return build(planned(kind, **params), TimeScale(factor=factor))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_fault_can_be_planned_and_carries_its_receipt(kind: str) -> None:
    fault = planned(kind, **NEEDED.get(kind, {}))
    assert fault.receipt == fault_kind(kind).receipt
    assert fault.receipt.kinds
    assert fault_kind(kind).__doc__
    assert fault_kind(kind).kind == kind


def test_every_fault_of_the_proxy_is_one_of_a_path() -> None:
    for kind, of_proxy in PROXY_KINDS.items():
        assert fault_kind(kind).acts_on == {"postgres", "redis", "tcp"}
        assert fault_kind(kind).transports == of_proxy.transports
        assert fault_kind(kind).receipt.grade is of_proxy.grade


def test_a_black_hole_needs_tcp() -> None:
    assert fault_kind("black_hole").transports == {Transport.TCP}
    assert fault_kind("hold").transports == set(Transport)


@pytest.mark.parametrize(
    ("kind", "target", "possible"),
    [
        ("hold", "replicas", "postgres, redis, tcp"),
        ("slots_taken", "redis", "postgres"),
        ("loading", "postgres", "redis"),
        ("revision_change", "postgres", "replicas"),
    ],
)
def test_a_target_that_a_fault_cannot_act_on_is_refused(
    kind: str, target: str, possible: str
) -> None:
    with pytest.raises(UsageError, match=f"{kind} cannot act on '{target}'") as refusal:
        plan(name="x", target=target, kind=kind, inject=NEVER, heal=NEVER)
    assert refusal.value.hint == f"it acts on: {possible}"


def test_an_unknown_fault_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="unknown fault 'nobody'") as refusal:
        fault_kind("nobody")
    assert "hold" in refusal.value.hint
    assert "slots_taken" in refusal.value.hint


def test_seconds_of_the_incident_become_wall_seconds() -> None:
    assert built("hold", delay_s=30).to_proxy() == Hold(delay_s=1.5)  # type: ignore[attr-defined]
    assert built("hold", factor=1, delay_s=30) == build(
        planned("hold", delay_s=30), TimeScale(factor=1)
    )
    assert built("bandwidth", rate_bytes_s=100).to_proxy() == Bandwidth(rate_bytes_s=2000)  # type: ignore[attr-defined]
    assert built("slicer", average_bytes=9.0, delay_s=1).to_proxy() == Slicer(  # type: ignore[attr-defined]
        average_bytes=9, delay_s=0.05
    )


def test_a_scenario_may_choose_the_direction_and_the_share_of_connections() -> None:
    fault = built("latency", latency_s=2, toxicity=0.5, direction="upstream", connections=3)
    assert fault.to_proxy() == Latency(  # type: ignore[attr-defined]
        latency_s=0.1, toxicity=0.5, direction="upstream", connections=3
    )


@pytest.mark.parametrize(
    ("kind", "params", "words"),
    [
        ("latency", {"latency_s": 1, "delay_s": 1}, "latency has no parameter 'delay_s'"),
        ("starting_up", {"left": 1}, "starting_up has no parameter 'left'"),
        ("latency", {}, "latency needs more parameters.*latency_s"),
        ("hold", {"delay_s": "30"}, "hold got delay_s='30'"),
        ("hold", {"delay_s": True}, "hold got delay_s=True"),
        ("hold", {"toxicity": "all"}, "hold got toxicity='all'"),
        ("accept_close", {"reset": 1}, "accept_close got reset=1"),
        ("slicer", {"average_bytes": 1.5}, "slicer got average_bytes=1.5"),
        ("slicer", {"average_bytes": float("nan")}, "slicer got average_bytes=nan"),
        ("latency", {"latency_s": 1, "direction": "up"}, "direction='up'"),
        ("latency", {"latency_s": 1, "direction": 1}, "latency got direction=1"),
        ("hold", {"delay_s": -1}, "delay_s=-1"),
        ("slots_taken", {"left": -1}, "left=-1"),
        ("slots_taken", {"left": 0.5}, "left=0.5"),
        ("lock_held", {}, "lock_held got table='' and advisory=0"),
        ("lock_held", {"table": "a", "advisory": 1}, "lock_held got table='a' and advisory=1"),
        ("lock_held", {"table": 3}, "lock_held got table=3"),
        ("lock_held", {"advisory": 2**63}, "advisory=9223372036854775808"),
        ("shared_capacity", {"table": "orders"}, "needs more parameters: work_s"),
        ("shared_capacity", {"table": "orders", "work_s": float("inf")}, "work_s=inf"),
        ("shared_capacity", {"table": "a; drop table b", "work_s": 1}, "table='a; drop table b'"),
        ("many_workers", {}, "needs more parameters: workers"),
        ("many_workers", {"workers": 1}, "workers=1"),
        ("many_workers", {"workers": 2.5}, "workers=2.5"),
    ],
)
def test_parameters_that_a_fault_cannot_take_are_refused(
    kind: str, params: dict[str, Value], words: str
) -> None:
    with pytest.raises(UsageError, match=words) as refusal:
        planned(kind, **params)
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("kind", "params", "limit_s", "is_real_time_only"),
    [
        ("connect_delay", {"delay_s": 10}, 20, True),
        ("connect_delay", {"delay_s": 30}, 20, False),
        ("black_hole", {}, 20, False),
        ("black_hole", {}, 31, True),
        ("hold", {"delay_s": 10}, 20, False),
        ("refuse", {}, 60, False),
        ("slots_taken", {}, 60, False),
    ],
)
def test_what_the_kernel_times_needs_real_time(
    kind: str, params: dict[str, Value], limit_s: float, *, is_real_time_only: bool
) -> None:
    reason = built(kind, factor=1, **params).real_time_only(limit_s=limit_s)
    assert bool(reason) is is_real_time_only
    assert not reason or "kernel" in reason


def test_faults_of_a_server_are_shown_by_the_server() -> None:
    for kind in ("slots_taken", "starting_up", "lock_held", "loading", "revision_change"):
        receipt = fault_kind(kind).receipt
        assert (receipt.grade, receipt.whose) == (Grade.SERVER, "server")
    assert fault_kind("slots_taken").receipt.where == {"sqlstate": "53300"}
    assert fault_kind("starting_up").receipt.where == {"sqlstate": "57P03"}
    assert fault_kind("paused").receipt.grade is Grade.PROCESS
    assert fault_kind("refuse").receipt.whose == "app"
    assert fault_kind("revision_change").acts_on == {REPLICAS}


class Path:
    """A path that records what is on."""

    def __init__(self) -> None:
        self.on: dict[str, ProxyFault] = {}

    async def inject(self, fault_id: str, fault: ProxyFault) -> None:
        self.on[fault_id] = fault

    async def heal(self, fault_id: str) -> None:
        del self.on[fault_id]


class Ports:
    """Ports with one path; the old revision is a list of words."""

    def __init__(self) -> None:
        self.paths = {"postgres": Path(), "redis": Path()}
        self.revision: list[str] = []
        self.sessions = {"postgres": 2}
        self.emitted: list[tuple[str, str, str, dict[str, Any]]] = []

    def path(self, target: str) -> Path:
        return self.paths[target]

    def revisions(self) -> Any:
        return self

    @asynccontextmanager
    async def overlapping(self) -> AsyncIterator[Any]:
        async def count() -> dict[str, int]:
            return self.sessions

        self.revision.append("began")
        yield count
        self.revision.append("ended")

    def emit(self, source: str, kind: str, target: str, **data: Any) -> None:
        self.emitted.append((source, kind, target, data))


async def test_a_fault_of_a_path_is_on_while_it_is_active_and_off_after_an_error() -> None:
    ports: Any = Ports()
    fault = built("hold", delay_s=30)
    seen: dict[str, object] = {}

    async def fail() -> None:
        async with fault.active(ports, name="slow", target="redis"):
            seen.update(ports.paths["redis"].on)
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert seen == {"slow": Hold(delay_s=1.5)}
    assert not ports.paths["redis"].on


async def test_a_revision_change_keeps_the_old_revision_while_it_is_active() -> None:
    ports: Any = Ports()
    async with built("revision_change").active(ports, name="x", target=REPLICAS):
        assert ports.revision == ["began"]
        ports.sessions = {"postgres": 1}
    assert ports.revision == ["began", "ended"]
    assert [kind for _, kind, _, _ in ports.emitted] == ["revision.overlapping"] * 2
    held = [data["sessions"] for _, _, _, data in ports.emitted]
    assert held == [{"postgres": 2}, {"postgres": 1}]


async def test_an_old_revision_without_sessions_takes_nothing_away() -> None:
    ports: Any = Ports()
    ports.sessions = {"postgres": 0}
    with pytest.raises(CapabilityError, match="holds no session"):
        async with built("revision_change").active(ports, name="x", target=REPLICAS):
            pass
