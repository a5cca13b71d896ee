"""What clients do to the proxies: whole or not at all, one after the other, never for ever."""

from __future__ import annotations

import asyncio
import errno
import json
from typing import TYPE_CHECKING

import pytest

from crashloop.errors import CapabilityError, HarnessError, UsageError
from crashloop.proxy.address import Address
from crashloop.proxy.api.collection import Collection
from crashloop.proxy.api.error import ApiError
from crashloop.proxy.api.journal import Journal
from crashloop.proxy.faults import BlackHole, Hold, Latency, Refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crashloop.proxy.api.plane import Plane
    from crashloop.proxy.events import Emit
    from crashloop.proxy.faults import Direction, Fault

DEADLINE_S = 5


class Machine:
    """The ports of a machine, and what goes wrong on it."""

    def __init__(self) -> None:
        self.taken: set[int] = set()
        self.next_port = 40_000
        self.failures: dict[str, BaseException] = {}
        self.failures_once: dict[str, BaseException] = {}
        self.barrier: asyncio.Event | None = None
        self.injecting = asyncio.Event()
        self.log: list[str] = []

    def fail(self, what: str) -> None:
        """Raise what is to go wrong at this step."""
        self.log.append(what)
        for name in tuple(self.failures_once):
            if what.startswith(name):
                raise self.failures_once.pop(name)
        for name, error in self.failures.items():
            if what.startswith(name):
                raise error

    def plane(self, *, name: str, listen: Address, upstream: Address, emit: Emit) -> Plane:
        """Build a data plane."""
        del emit
        return FakePlane(self, name=name, listen=listen, upstream=upstream)


class FakePlane:
    """A data plane that only keeps the books."""

    def __init__(self, machine: Machine, *, name: str, listen: Address, upstream: Address) -> None:
        self.enabled = False
        self.address = listen
        self.links = 0
        self.upstream = upstream
        self._machine = machine
        self._name = name
        self._faults: dict[str, Fault] = {}

    @property
    def faults(self) -> Mapping[str, Fault]:
        return self._faults

    async def start(self) -> None:
        self._machine.fail(f"start {self._name} {self.address.port}")
        port = self.address.port
        if port == 0:
            self._machine.next_port += 1
            port = self._machine.next_port
        if port in self._machine.taken:
            raise UsageError("taken") from OSError(errno.EADDRINUSE, "x")
        self._machine.taken.add(port)
        self.address = Address(host=self.address.host, port=port)
        self.enabled = True

    async def stop(self) -> None:
        self._machine.log.append(f"stop {self._name}")
        self._machine.taken.discard(self.address.port)
        self.enabled = False

    async def enable(self) -> None:
        self._machine.fail(f"enable {self._name}")
        self.enabled = True

    async def disable(self) -> None:
        self.enabled = False

    async def inject(self, fault_id: str, fault: Fault) -> None:
        self._machine.injecting.set()
        if self._machine.barrier is not None:
            await self._machine.barrier.wait()
        self._machine.fail(f"inject {fault_id}")
        self._faults[fault_id] = fault

    async def change(self, fault_id: str, fault: Fault) -> None:
        self._machine.fail(f"change {fault_id}")
        self._faults[fault_id] = fault

    async def heal(self, fault_id: str) -> None:
        del self._faults[fault_id]
        self._machine.fail(f"heal {fault_id}")

    def snapshot(self) -> list[dict[str, object]]:
        return []

    def traffic(self) -> dict[Direction, tuple[int, int]]:
        return {"upstream": (0, 0), "downstream": (0, 0)}


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def collection(machine: Machine) -> Collection:
    return Collection(make=machine.plane, journal=Journal(), operation_limit_s=DEADLINE_S)


def body(**fields: object) -> bytes:
    """A proxy as a client describes it."""
    return json.dumps({"name": "db", "upstream": "127.0.0.1:5432", **fields}).encode()


async def refused(answer: object, status: int) -> str:
    """The message of the error that an answer is."""
    with pytest.raises(ApiError) as caught:
        await answer  # type: ignore[misc]
    assert caught.value.status == status
    return caught.value.message


async def test_a_proxy_is_made_shown_and_removed(collection: Collection) -> None:
    entry = await collection.create(body(listen="127.0.0.1:0"))
    assert entry.document() == {
        "name": "db",
        "listen": "127.0.0.1:40001",
        "upstream": "127.0.0.1:5432",
        "enabled": True,
        "Logger": {},
        "toxics": [],
    }
    assert collection.documents() == {"db": entry.document()}
    assert await refused(collection.create(body()), 409) == "proxy already exists"
    await collection.remove("db")
    assert await refused(collection.remove("db"), 404) == "proxy not found"


async def test_what_is_missing_is_told(collection: Collection) -> None:
    assert await refused(collection.create(b"null"), 400) == "missing required field: name"
    told = await refused(collection.create(b'{"name":"a"}'), 400)
    assert told == "missing required field: upstream"
    assert "at most" in await refused(collection.create(body(name="x" * 5000)), 400)


async def test_toxics_come_with_their_proxy(collection: Collection) -> None:
    toxics = [{"type": "refuse"}, {"type": "latency", "attributes": {"latency": 5}}]
    entry = await collection.create(body(toxics=toxics))
    assert entry.plane is not None
    assert entry.plane.faults == {
        "latency_downstream": Latency(latency_s=0.005),
        "refuse_downstream": Refuse(),
    }
    assert list(entry.plane.faults)[-1] == "refuse_downstream"
    assert [toxic.type for toxic in entry.in_order()] == ["refuse", "latency"]


async def test_a_proxy_whose_toxics_fail_is_not_made_at_all(
    collection: Collection, machine: Machine
) -> None:
    told = await refused(collection.create(body(toxics=[{"type": "hold"}, {"type": "x"}])), 400)
    assert told.startswith("invalid toxic type: 'x' is none of latency,")
    assert told.endswith(" at toxic 2")
    assert machine.log == []
    machine.failures["inject h"] = CapabilityError("cannot")
    assert await refused(collection.create(body(toxics=[{"type": "hold"}])), 501) == "cannot"
    assert collection.documents() == {}
    assert machine.taken == set()


async def test_an_address_that_is_taken_is_told_as_toxiproxy_tells_it(
    collection: Collection, machine: Machine
) -> None:
    machine.taken.add(7)
    told = await refused(collection.create(body(listen="127.0.0.1:7")), 500)
    assert told == "listen tcp 127.0.0.1:7: bind: address already in use"
    told = await refused(collection.create(body(listen="127.0.0.1:99999")), 500)
    assert told == "listen tcp: address 99999: invalid port"
    assert collection.documents() == {}


async def test_a_proxy_made_disabled_listens_when_it_is_enabled(
    collection: Collection, machine: Machine
) -> None:
    entry = await collection.create(body(listen="localhost:7", enabled=False))
    assert (entry.enabled, entry.listen, machine.taken) == (False, "localhost:7", set())
    await collection.add_toxic("db", b'{"type":"hold"}')
    await collection.update("db", b'{"enabled":true}')
    assert (entry.enabled, entry.listen, machine.taken) == (True, "127.0.0.1:7", {7})
    assert entry.plane is not None
    assert entry.plane.faults == {"hold_downstream": Hold()}


async def test_disabling_keeps_the_port_and_enabling_uses_it_again(
    collection: Collection, machine: Machine
) -> None:
    entry = await collection.create(body(listen="127.0.0.1:7"))
    await collection.update("db", b'{"enabled":false}')
    assert (entry.enabled, machine.taken) == (False, {7})
    await collection.update("db", b'{"enabled":true}')
    assert entry.enabled
    assert machine.log == ["start db 7", "enable db"]


async def test_an_update_without_a_difference_touches_nothing(
    collection: Collection, machine: Machine
) -> None:
    await collection.create(body(listen="127.0.0.1:7"))
    for same in (b"{}", b"null", b'{"listen":"localhost:7","name":"other","toxics":5}'):
        await collection.update("db", same)
    assert machine.log == ["start db 7"]


async def test_a_proxy_moves_with_its_toxics(collection: Collection, machine: Machine) -> None:
    entry = await collection.create(body(listen="127.0.0.1:7", toxics=[{"type": "hold"}]))
    await collection.update("db", b'{"listen":"127.0.0.1:8"}')
    assert (entry.listen, machine.taken) == ("127.0.0.1:8", {8})
    await collection.update("db", b'{"upstream":"127.0.0.1:1"}')
    assert (entry.listen, machine.taken) == ("127.0.0.1:8", {8})
    assert isinstance(entry.plane, FakePlane)
    assert entry.plane.upstream.port == 1
    assert entry.plane.faults == {"hold_downstream": Hold()}


@pytest.mark.parametrize("to", ["127.0.0.1:9", "127.0.0.1:99999", "nosuchport:x"])
async def test_a_proxy_that_cannot_move_goes_on_as_it_was(
    collection: Collection, machine: Machine, to: str
) -> None:
    machine.taken.add(9)
    entry = await collection.create(body(listen="127.0.0.1:7"))
    plane = entry.plane
    await refused(collection.update("db", json.dumps({"listen": to}).encode()), 500)
    assert entry.plane is plane
    assert (entry.enabled, entry.listen, machine.taken) == (True, "127.0.0.1:7", {7, 9})


async def test_a_proxy_that_fails_at_its_new_upstream_is_put_back(
    collection: Collection, machine: Machine
) -> None:
    toxics = [{"type": "hold"}]
    entry = await collection.create(body(listen="127.0.0.1:7", toxics=toxics))
    machine.failures_once["inject"] = HarnessError("no")
    await refused(collection.update("db", b'{"upstream":"127.0.0.1:1"}'), 500)
    assert entry.settings.upstream == "127.0.0.1:5432"
    assert entry.enabled
    assert entry.plane is not None
    assert entry.plane.faults == {"hold_downstream": Hold()}


async def test_an_upstream_without_a_meaning_is_taken_and_told_in_the_event(
    machine: Machine,
) -> None:
    journal = Journal()
    collection = Collection(make=machine.plane, journal=journal)
    entry = await collection.create(body(upstream="nosuch"))
    assert entry.document()["upstream"] == "nosuch"
    await collection.update("db", b'{"upstream":"x:99999"}')
    assert isinstance(entry.plane, FakePlane)
    assert (entry.plane.upstream.host, entry.plane.upstream.port) == ("127.0.0.1", 0)
    read = [line async for batch in journal.read(until=2) for line in batch.splitlines()]
    assert [json.loads(line)["data"]["problem"] for line in read] == [
        "upstream: address nosuch: missing port in address",
        "upstream: address 99999: invalid port",
    ]


async def test_a_toxic_is_added_changed_and_removed(collection: Collection) -> None:
    entry = await collection.create(body())
    assert entry.plane is not None
    await collection.add_toxic("db", b'{"type":"latency","name":"slow"}')
    assert await refused(collection.add_toxic("db", b'{"type":"hold","name":"slow"}'), 409)
    toxic = await collection.change_toxic("db", "slow", b'{"attributes":{"latency":9}}')
    assert entry.plane.faults == {"slow": Latency(latency_s=0.009)}
    assert toxic == entry.toxic("slow")
    await collection.remove_toxic("db", "slow")
    assert (entry.plane.faults, entry.toxics) == ({}, {})
    for missing in (
        collection.change_toxic("db", "slow", b"{"),
        collection.remove_toxic("db", "slow"),
    ):
        assert await refused(missing, 404) == "toxic not found"


async def test_a_noop_comes_and_goes_without_the_data_plane(
    collection: Collection, machine: Machine
) -> None:
    entry = await collection.create(body())
    await collection.add_toxic("db", b'{"type":"noop"}')
    await collection.change_toxic("db", "noop_downstream", b'{"toxicity":0.5}')
    assert entry.toxic("noop_downstream").toxicity == 0.5
    await collection.remove_toxic("db", "noop_downstream")
    assert machine.log == ["start db 0"]


@pytest.mark.parametrize(
    ("error", "status"),
    [(UsageError("busy"), 409), (CapabilityError("cannot"), 501), (HarnessError("broke"), 500)],
)
async def test_a_toxic_that_fails_is_not_there(
    collection: Collection, machine: Machine, error: Exception, status: int
) -> None:
    entry = await collection.create(body())
    machine.failures["inject"] = error
    assert await refused(collection.add_toxic("db", b'{"type":"black_hole"}'), status) == str(error)
    assert entry.toxics == {}


async def test_a_toxic_whose_proof_fails_at_its_end_is_gone_all_the_same(
    collection: Collection, machine: Machine
) -> None:
    entry = await collection.create(body(toxics=[{"type": "black_hole"}]))
    machine.failures["heal"] = HarnessError("no proof")
    name = "black_hole_downstream"
    assert await refused(collection.remove_toxic("db", name), 500) == "no proof"
    assert entry.toxics == {}


async def test_upstream_toxics_are_listed_first(collection: Collection) -> None:
    entry = await collection.create(body())
    for name, stream in (("a", "downstream"), ("b", "Upstream"), ("c", "downstream")):
        text = json.dumps({"type": "timeout", "name": name, "stream": stream})
        await collection.add_toxic("db", text.encode())
    assert [toxic.name for toxic in entry.in_order()] == ["b", "a", "c"]


async def test_populate_makes_replaces_and_keeps(collection: Collection, machine: Machine) -> None:
    one = {"name": "a", "listen": "127.0.0.1:7", "upstream": "127.0.0.1:1"}
    entries, error = await collection.populate(json.dumps([one]).encode())
    assert ([entry.name for entry in entries], error) == (["a"], None)
    await collection.add_toxic("a", b'{"type":"hold"}')
    again, _ = await collection.populate(json.dumps([{**one, "enabled": False}]).encode())
    assert again[0].enabled
    assert list(again[0].toxics) == ["hold_downstream"]
    replaced, _ = await collection.populate(
        json.dumps([{**one, "upstream": "127.0.0.1:2"}]).encode()
    )
    assert replaced[0].toxics == {}
    assert replaced[0].settings.upstream == "127.0.0.1:2"
    assert machine.taken == {7}


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:0", ""])
async def test_populate_keeps_a_proxy_that_was_asked_for_at_any_port(
    collection: Collection, machine: Machine, listen: str
) -> None:
    text = json.dumps([{"name": "a", "listen": listen, "upstream": "127.0.0.1:1"}]).encode()
    (entry,), _ = await collection.populate(text)
    plane, port = entry.plane, entry.listen
    await collection.update("a", b'{"enabled":false}')
    await collection.update("a", b'{"enabled":true}')
    (same,), _ = await collection.populate(text)
    assert (same.plane, same.listen) == (plane, port)
    assert machine.log.count("start a 0") == 1


async def test_populate_with_toxics_makes_the_proxy_have_exactly_these(
    collection: Collection, machine: Machine
) -> None:
    one = {"name": "a", "listen": "127.0.0.1:7", "upstream": "127.0.0.1:1"}
    text = json.dumps([{**one, "toxics": [{"type": "hold"}]}]).encode()
    (entry,), _ = await collection.populate(text)
    plane = entry.plane
    (same,), _ = await collection.populate(text)
    assert same.plane is plane
    (other,), _ = await collection.populate(json.dumps([{**one, "toxics": []}]).encode())
    assert (other.toxics, machine.taken) == ({}, {7})


async def test_populate_checks_all_before_it_makes_any(
    collection: Collection, machine: Machine
) -> None:
    text = json.dumps([{"name": "a", "upstream": "x:1"}, {"name": "b"}]).encode()
    entries, error = await collection.populate(text)
    assert error is not None
    assert (entries, error.message, error.entry) == (
        [],
        "missing required field: upstream at proxy 2",
        2,
    )
    text = json.dumps([{"name": "a", "upstream": "x:1", "toxics": [{}]}]).encode()
    _, error = await collection.populate(text)
    assert error is not None
    assert error.message.startswith("invalid toxic type: '' is none of latency,")
    assert error.message.endswith(" at toxic 1 at proxy 1")
    assert machine.log == []


async def test_populate_stops_at_the_first_failure_and_tells_what_is_done(
    collection: Collection,
) -> None:
    one = {"upstream": "127.0.0.1:1", "listen": "127.0.0.1:7"}
    text = json.dumps([{"name": name, **one} for name in "abc"]).encode()
    entries, error = await collection.populate(text)
    assert [entry.name for entry in entries] == ["a"]
    assert error is not None
    assert (error.status, error.entry) == (500, 2)
    assert list(collection.documents()) == ["a"]


async def test_reset_enables_all_and_removes_every_toxic_although_one_fails(
    collection: Collection, machine: Machine
) -> None:
    for name in ("a", "b"):
        await collection.create(body(name=name, toxics=[{"type": "hold"}, {"type": "noop"}]))
        await collection.update(name, b'{"enabled":false}')
    machine.failures["enable a"] = HarnessError("no")
    assert await refused(collection.reset(), 500) == "no"
    assert [entry.enabled for entry in collection.entries.values()] == [False, True]
    assert all(not entry.toxics for entry in collection.entries.values())


async def test_changes_of_one_proxy_wait_for_each_other_and_others_do_not(
    collection: Collection, machine: Machine
) -> None:
    await collection.create(body(name="a"))
    await collection.create(body(name="b"))
    machine.barrier = asyncio.Event()
    adding = asyncio.create_task(collection.add_toxic("a", b'{"type":"hold"}'))
    removing = asyncio.create_task(collection.remove("a"))
    async with asyncio.timeout(DEADLINE_S):
        await collection.remove("b")
        assert not adding.done()
        assert not removing.done()
        machine.barrier.set()
        await asyncio.gather(adding, removing)
    assert collection.documents() == {}
    assert collection._locks == {}


async def test_of_two_that_make_the_same_proxy_at_a_time_one_wins(
    collection: Collection, machine: Machine
) -> None:
    machine.barrier = asyncio.Event()
    text = body(listen="127.0.0.1:0", toxics=[{"type": "hold"}])
    both = [asyncio.create_task(collection.create(text)) for _ in range(2)]
    await asyncio.sleep(0)
    machine.barrier.set()
    results = await asyncio.gather(*both, return_exceptions=True)
    assert [getattr(result, "status", 201) for result in results] == [201, 409]
    assert len(machine.taken) == 1


async def test_a_change_is_ended_although_its_client_has_gone(
    collection: Collection, machine: Machine
) -> None:
    entry = await collection.create(body())
    machine.barrier = asyncio.Event()
    adding = asyncio.create_task(collection.add_toxic("db", b'{"type":"black_hole"}'))
    await machine.injecting.wait()
    adding.cancel()
    await asyncio.gather(adding, return_exceptions=True)
    machine.barrier.set()
    await collection.remove_toxic("db", "black_hole_downstream")
    assert entry.plane is not None
    assert entry.plane.faults == {}


async def test_a_change_that_takes_too_long_is_given_up(machine: Machine) -> None:
    collection = Collection(make=machine.plane, journal=Journal(), operation_limit_s=0.02)
    entry = await collection.create(body())
    machine.barrier = asyncio.Event()
    async with asyncio.timeout(DEADLINE_S):
        told = await refused(collection.add_toxic("db", b'{"type":"black_hole"}'), 503)
        assert told == "not done within 0.02 s; given up"
        assert entry.toxics == {}
        machine.barrier = None
        await collection.add_toxic("db", b'{"type":"black_hole"}')
    assert entry.plane is not None
    assert entry.plane.faults == {"black_hole_downstream": BlackHole()}


async def test_closing_ends_what_is_being_changed_and_stops_every_proxy(
    collection: Collection, machine: Machine
) -> None:
    await collection.create(body(name="a"))
    await collection.create(body(name="b"))
    machine.barrier = asyncio.Event()
    adding = asyncio.create_task(collection.add_toxic("a", b'{"type":"black_hole"}'))
    await asyncio.sleep(0)
    async with asyncio.timeout(DEADLINE_S):
        await collection.close()
        await asyncio.gather(adding, return_exceptions=True)
    assert machine.taken == set()
    assert "stopped" in await refused(collection.create(body()), 503)


async def test_every_change_is_an_event(machine: Machine) -> None:
    journal = Journal()
    collection = Collection(make=machine.plane, journal=journal)
    await collection.create(body(listen="127.0.0.1:7"))
    await collection.add_toxic("db", b'{"type":"hold"}')
    await collection.change_toxic("db", "hold_downstream", b"{}")
    await collection.remove_toxic("db", "hold_downstream")
    await collection.update("db", b'{"enabled":false}')
    await collection.update("db", b'{"enabled":true}')
    await collection.update("db", b'{"listen":"127.0.0.1:8"}')
    await collection.remove("db")
    lines = [json.loads(line) async for batch in journal.read(until=8) for line in batch.split()]
    assert [line["kind"] for line in lines] == [
        "proxy.created",
        "toxic.added",
        "toxic.changed",
        "toxic.removed",
        "proxy.disabled",
        "proxy.enabled",
        "proxy.updated",
        "proxy.removed",
    ]
    assert {line["proxy"] for line in lines} == {"db"}
