"""What the side-car and the witness report, as events of the trace, each with its life."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from docker_cases import NS_PER_S, recorder

from crashloop.engines.docker.path_events import PathEvents
from crashloop.model import Life, Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.engines.docker.container import ContainerLife
    from crashloop.trace.event import Event

APP = "172.18.0.5"
CLIENT = f"{APP}:40000"
VIA = "172.18.0.9:33000"
BACK = "172.19.0.3:50000"


class Path:
    """A path over `transport` with lives that a test lists; `recorded` is what was recorded."""

    def __init__(self, transport: Transport, *, several: bool = False) -> None:
        self.lives: list[ContainerLife] = []
        self._recorder = recorder()
        self.events = PathEvents(transport, self._recorder, lambda: self.lives, several=several)

    def begins(
        self,
        number: int,
        *,
        at_s: float,
        host: str = APP,
        pid: int | None = None,
        replica: int = 1,
    ) -> None:
        life = SimpleNamespace(
            life=Life(replica, number), address=(host, 8080), pid=pid, started_ns=_ns(at_s)
        )
        life.ended = SimpleNamespace(is_set=lambda: False)
        self.lives.append(cast("ContainerLife", life))

    def witness(self, kind: str, *, at_s: float, **data: Any) -> None:
        usual = {
            "link": "toxi-1",
            "client": CLIENT,
            **({"via": BACK} if kind == "connected" else {}),
        }
        self.events.on_witness(kind, {**usual, **data}, _ns(at_s))

    def sidecar(self, kind: str, *, at_s: float, target: str = "postgres", **data: Any) -> None:
        self.events.on_sidecar(kind, data, _ns(at_s), target=target)

    @property
    def recorded(self) -> list[Event]:
        return self._recorder.events

    @property
    def briefly(self) -> list[tuple[str, int | None]]:
        return [(event.kind, event.attempt) for event in self.recorded]

    @property
    def data(self) -> Mapping[str, Any]:
        (event,) = self.recorded
        return event.data


def _ns(at_s: float) -> int:
    return round(at_s * NS_PER_S)


@pytest.fixture
def tcp() -> Path:
    return Path(Transport.TCP)


@pytest.fixture
def unix() -> Path:
    return Path(Transport.UNIX)


# Over TCP a link is Toxiproxy's


def test_a_link_belongs_to_the_attempt_that_runs_at_its_containers_address(tcp: Path) -> None:
    tcp.begins(1, at_s=1, pid=11)
    tcp.begins(2, at_s=5, pid=22)

    tcp.witness("opened", at_s=6)

    assert tcp.briefly == [("link.opened", 2)]
    assert (tcp.data["client_pid"], tcp.data["client"]) == (22, CLIENT)


def test_a_link_that_is_reported_late_belongs_to_the_attempt_at_its_instant(tcp: Path) -> None:
    tcp.begins(1, at_s=1, pid=11)
    tcp.begins(2, at_s=5, pid=22)

    tcp.witness("opened", at_s=4)

    assert (tcp.briefly, tcp.data["client_pid"]) == ([("link.opened", 1)], 11)


def test_a_links_instant_is_when_it_was_seen(tcp: Path) -> None:
    tcp.witness("opened", at_s=4)

    assert tcp.recorded[0].mono_ns == _ns(4)


def test_a_link_is_the_same_attempts_to_its_end(tcp: Path) -> None:
    tcp.begins(1, at_s=1)
    tcp.witness("opened", at_s=2)
    tcp.witness("connected", at_s=3)
    tcp.begins(2, at_s=5)

    tcp.witness("closed", at_s=6, bytes_up=1, bytes_down=2, by="client", reset=False)

    assert tcp.briefly == [("link.opened", 1), ("link.connected", 1), ("link.closed", 1)]


def test_only_the_opening_of_a_link_names_a_process(tcp: Path) -> None:
    tcp.begins(1, at_s=1, pid=11)

    tcp.witness("connected", at_s=2)

    assert "client_pid" not in tcp.data


def test_the_baselines_link_belongs_to_no_attempt(tcp: Path) -> None:
    tcp.witness("opened", at_s=1)
    tcp.begins(1, at_s=2)
    tcp.witness("closed", at_s=3)

    assert tcp.briefly == [("link.opened", None), ("link.closed", None)]
    assert tcp.events.links == {"toxi-1": None}


def test_another_containers_link_belongs_to_no_attempt_and_to_no_process(tcp: Path) -> None:
    tcp.begins(1, at_s=1, host="172.18.0.77", pid=11)

    tcp.witness("opened", at_s=2)

    assert (tcp.briefly, tcp.data["client_pid"]) == ([("link.opened", None)], None)


@pytest.mark.parametrize("host", ["172.18.0.50", "172.18.0", ""])
def test_an_address_with_the_same_beginning_is_another_one(tcp: Path, host: str) -> None:
    tcp.begins(1, at_s=1, host=host, pid=11)

    tcp.witness("opened", at_s=2)

    assert tcp.briefly == [("link.opened", None)]


@pytest.mark.parametrize(("seen", "kind"), [("syn", "gate.syn_seen"), ("refused", "gate.refused")])
def test_a_client_of_a_port_that_a_fault_has_closed_is_recorded_with_its_process(
    tcp: Path, seen: str, kind: str
) -> None:
    tcp.begins(1, at_s=1, pid=11)

    tcp.witness(seen, at_s=2, fault="gone")

    assert tcp.briefly == [(kind, 1)]
    assert (tcp.data["pid"], tcp.data["fault"]) == (11, "gone")


@pytest.mark.parametrize("seen", ["syn", "refused"])
def test_a_client_of_an_open_port_is_not_recorded(tcp: Path, seen: str) -> None:
    tcp.begins(1, at_s=1, pid=11)

    tcp.witness(seen, at_s=2, fault="")

    assert tcp.recorded == []


def test_a_delayed_chunk_is_recorded_with_its_link_and_attempt(tcp: Path) -> None:
    tcp.begins(1, at_s=1)
    tcp.witness("opened", at_s=2)

    tcp.witness("passed", at_s=3, fault="slow", delay_s=0.5, chunk=1, delivered=True)

    assert tcp.briefly == [("link.opened", 1), ("link.delayed", 1)]
    assert tcp.recorded[1].data == {
        "link": "toxi-1",
        "client": CLIENT,
        "fault": "slow",
        "delay_s": 0.5,
        "chunk": 1,
        "delivered": True,
        "direction": "downstream",
    }
    assert tcp.recorded[1].source == "platform"


@pytest.mark.parametrize("transport", Transport)
def test_a_chunk_that_no_fault_delayed_is_not_recorded(transport: Transport) -> None:
    path = Path(transport)
    path.sidecar("link.connected", at_s=1, link="postgres-1", via=CLIENT)
    before = len(path.recorded)

    path.witness("passed", at_s=2, fault="", delay_s=0.001)

    assert len(path.recorded) == before


@pytest.mark.parametrize("transport", Transport)
def test_what_the_gate_did_is_recorded_on_every_transport(transport: Transport) -> None:
    path = Path(transport)

    path.events.on_witness("gate.closed", {"fault": "gone", "mode": "refuse"}, 7)

    assert path.briefly == [("gate.closed", None)]
    assert path.recorded[0].mono_ns == 7


# Over the Unix socket it is the side-car's


def test_a_link_of_an_unknown_process_is_the_only_replicas_last_life(unix: Path) -> None:
    unix.begins(1, at_s=1)

    unix.sidecar("link.opened", at_s=2, link="postgres-1")
    unix.begins(2, at_s=3)
    unix.sidecar("link.closed", at_s=4, link="postgres-1")

    assert unix.briefly == [("link.opened", 1), ("link.closed", 1)]
    assert {event.source for event in unix.recorded} == {"proxy"}


def test_a_link_of_an_unknown_process_is_not_of_a_control_life_that_has_ended(unix: Path) -> None:
    unix.begins(0, at_s=1)
    unix.sidecar("link.opened", at_s=2, link="during")
    cast("Any", unix.lives[0]).ended = SimpleNamespace(is_set=lambda: True)
    unix.sidecar("link.opened", at_s=3, link="baseline")
    assert unix.briefly == [("link.opened", 0), ("link.opened", None)]


@pytest.mark.parametrize("client", [{"client_pid": 11}, {"client_pid": 99, "client_session": 11}])
def test_a_link_of_an_attempts_process_or_of_its_child_is_that_attempts(
    unix: Path, client: dict[str, Any]
) -> None:
    unix.begins(1, at_s=1, pid=11)
    unix.begins(2, at_s=3, pid=22)

    unix.sidecar("link.opened", at_s=4, link="postgres-1", **client)

    assert unix.briefly == [("link.opened", 1)]


def test_the_sidecars_baseline_link_belongs_to_no_attempt(unix: Path) -> None:
    unix.sidecar("link.opened", at_s=1, link="postgres-1")
    unix.begins(1, at_s=2)

    unix.sidecar("link.closed", at_s=3, link="postgres-1")

    assert unix.briefly == [("link.opened", None), ("link.closed", None)]


def test_an_event_of_the_sidecar_without_a_link_belongs_to_no_life(unix: Path) -> None:
    unix.begins(1, at_s=1)

    unix.sidecar("gate.closed", at_s=2)

    assert unix.briefly == [("gate.closed", None)]


@pytest.mark.parametrize("seen", ["opened", "connected", "closed", "syn", "refused"])
def test_toxiproxys_own_links_are_not_recorded_a_second_time(unix: Path, seen: str) -> None:
    unix.witness(seen, at_s=1, fault="slow")

    assert unix.recorded == []


def test_a_delayed_chunk_is_recorded_for_the_link_that_the_sidecar_dialled_for(unix: Path) -> None:
    unix.begins(1, at_s=1)
    unix.sidecar("link.connected", at_s=2, link="postgres-7", via=VIA)

    unix.witness("passed", at_s=3, client=VIA, fault="slow", delay_s=0.5)

    assert unix.briefly == [("link.connected", 1), ("link.delayed", 1)]
    assert unix.recorded[1].data["link"] == "postgres-7"


def test_a_delay_that_is_seen_before_the_sidecar_reports_its_link_is_still_recorded(
    unix: Path,
) -> None:
    unix.begins(1, at_s=1)
    for chunk, at_s in ((1, 3.0), (2, 3.5)):
        unix.witness("passed", at_s=at_s, client=VIA, fault="slow", delay_s=0.5, chunk=chunk)
    assert unix.recorded == []

    unix.sidecar("link.connected", at_s=2, link="postgres-7", via=VIA)

    delayed = [event for event in unix.recorded if event.kind == "link.delayed"]
    assert [(e.data["chunk"], e.mono_ns, e.attempt) for e in delayed] == [
        (1, _ns(3.0), 1),
        (2, _ns(3.5), 1),
    ]


def test_how_late_a_link_was_in_all_is_recorded_for_the_sidecars_link(unix: Path) -> None:
    unix.begins(1, at_s=1)
    unix.sidecar("link.connected", at_s=2, link="postgres-7", via=VIA)
    unix.sidecar("link.closed", at_s=3, link="postgres-7")

    total = {"fault": "slow", "chunks": 4, "chunk_bytes": 900, "delay_s": 2.0}
    unix.witness("delays", at_s=3.1, client=VIA, **total)

    (late,) = [event for event in unix.recorded if event.kind == "link.delays"]
    assert (late.data["link"], late.attempt) == ("postgres-7", 1)
    assert late.data["bytes_down"] == 900
    assert late.data["delays"] == [{"fault": "slow", "chunks": 4, "delay_s": 2.0}]


def test_an_early_delay_is_recorded_once(unix: Path) -> None:
    unix.witness("passed", at_s=1, client=VIA, fault="slow", delay_s=0.5)

    for _ in range(2):
        unix.sidecar("link.connected", at_s=2, link="postgres-7", via=VIA)

    assert [event.kind for event in unix.recorded].count("link.delayed") == 1


def test_an_early_delay_of_another_connection_waits_for_its_own(unix: Path) -> None:
    unix.witness("passed", at_s=1, client=VIA, fault="slow", delay_s=0.5)

    unix.sidecar("link.connected", at_s=2, link="postgres-7", via="172.18.0.9:33001")

    assert "link.delayed" not in dict(unix.briefly)


# Several replicas


@pytest.fixture
def replicas() -> Path:
    """Two replicas, each with a container and a process of its own."""
    path = Path(Transport.UNIX, several=True)
    path.begins(1, at_s=1, pid=11, replica=1)
    path.begins(1, at_s=1.5, pid=21, replica=2, host="172.18.0.6")
    return path


def test_each_replicas_link_is_its_own(replicas: Path) -> None:
    replicas.sidecar("link.opened", at_s=2, link="postgres-1", client_pid=21)
    replicas.sidecar("link.opened", at_s=2, link="postgres-2", client_pid=11)

    assert [event.life for event in replicas.recorded] == [Life(2, 1), Life(1, 1)]


def test_with_several_replicas_a_link_of_an_unknown_process_is_nobodys(replicas: Path) -> None:
    replicas.sidecar("link.opened", at_s=2, link="postgres-1", client_pid=99)

    assert replicas.recorded[0].life is None


def test_a_link_to_redis_is_of_the_container_at_its_clients_address(replicas: Path) -> None:
    opened = {"client": "172.18.0.6:40000", "client_pid": None}
    replicas.sidecar("link.opened", at_s=2, target="redis", link="redis-1", **opened)
    replicas.sidecar("link.held", at_s=3, target="redis", link="redis-1", fault="silent")

    assert [(e.kind, e.life, e.target) for e in replicas.recorded] == [
        ("link.opened", Life(2, 1), "redis"),
        ("link.held", Life(2, 1), "redis"),
    ]
    assert replicas.recorded[0].data["client_pid"] == 21


def test_an_address_that_another_container_has_taken_over_is_the_others(tcp: Path) -> None:
    tcp.begins(1, at_s=1, replica=1)
    tcp.begins(1, at_s=5, replica=2)

    tcp.witness("opened", at_s=6)

    assert tcp.recorded[0].life == Life(2, 1)


# Whose a session in Postgres is


@pytest.mark.parametrize("is_early", [True, False])
def test_a_session_behind_the_sidecar_is_of_the_life_whose_link_it_carries(
    replicas: Path, *, is_early: bool
) -> None:
    replicas.sidecar("link.opened", at_s=2, link="postgres-1", client_pid=21)
    if is_early:
        replicas.witness("connected", at_s=2.2, client=VIA)
    replicas.sidecar("link.connected", at_s=2.1, link="postgres-1", via=VIA)
    if not is_early:
        replicas.witness("connected", at_s=2.2, client=VIA)

    assert replicas.events.owner(BACK) == Life(2, 1)
    assert BACK in replicas.events.clients(Life(2, 1))
    assert replicas.events.clients(Life(1, 1)) == []


def test_a_session_over_tcp_is_of_the_life_whose_link_it_carries(tcp: Path) -> None:
    tcp.begins(1, at_s=1)
    tcp.witness("opened", at_s=2)
    tcp.witness("connected", at_s=2)

    assert tcp.events.owner(BACK) == Life(1, 1)
    assert tcp.events.clients(Life(1, 1)) == [BACK]


def test_the_baselines_session_is_known_and_nobodys_and_the_harnesss_own_is_unknown(
    tcp: Path,
) -> None:
    tcp.witness("opened", at_s=2)
    tcp.witness("connected", at_s=2)

    assert [tcp.events.knows(client) for client in (BACK, "172.19.0.1:40000")] == [True, False]
    assert [tcp.events.owner(client) for client in (BACK, "172.19.0.1:40000")] == [None, None]
