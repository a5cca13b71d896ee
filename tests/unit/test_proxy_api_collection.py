"""Changes of proxies are made whole or not at all, one after the other, within a time limit."""

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

    from crashloop.proxy.api.entry import Entry
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
        self.journal = Journal()
        self.warned: list[tuple[str, str]] = []

    def collection(self, limit_s: float = DEADLINE_S) -> Collection:
        """Proxies on this machine."""
        return Collection(
            make=self.plane,  # type: ignore[arg-type]  # it only keeps the books
            journal=self.journal,
            warn=lambda proxy, text: self.warned.append((proxy, text)),
            operation_limit_s=limit_s,
        )

    def fail(self, what: str) -> None:
        """Raise what is to go wrong at this step."""
        self.log.append(what)
        for name in tuple(self.failures_once):
            if what.startswith(name):
                raise self.failures_once.pop(name)
        for name, error in self.failures.items():
            if what.startswith(name):
                raise error

    def plane(self, *, name: str, listen: Address, upstream: Address, emit: Emit) -> FakePlane:
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
    return machine.collection()


def body(**fields: object) -> bytes:
    """A proxy as a client describes it."""
    return json.dumps({"name": "db", "upstream": "127.0.0.1:5432", **fields}).encode()


async def made(collection: Collection, **fields: object) -> Entry:
    """A new proxy."""
    await collection.create(body(**fields))
    return collection.get("db")


async def refused(answer: object, status: int) -> str:
    """The message of the error that an answer is."""
    with pytest.raises(ApiError) as caught:
        await answer  # type: ignore[misc]
    assert caught.value.status == status
    return caught.value.message


async def test_a_proxy_is_made_together_with_its_toxics(collection: Collection) -> None:
    toxics = [{"type": "refuse"}, {"type": "latency", "attributes": {"latency": 5}}]
    entry = await made(collection, toxics=toxics)
    assert entry.plane is not None
    assert entry.plane.faults == {
        "latency_downstream": Latency(latency_s=0.005),
        "refuse_downstream": Refuse(),
    }
    assert list(entry.plane.faults)[-1] == "refuse_downstream"
    assert [toxic.fault.kind for toxic in entry.in_order()] == ["refuse", "latency"]


async def test_a_proxy_whose_toxics_fail_is_not_made_at_all(
    collection: Collection, machine: Machine
) -> None:
    told = await refused(collection.create(body(toxics=[{"type": "hold"}, {"type": "x"}])), 400)
    assert told.startswith("invalid toxic type: 'x' is not one of latency,")
    assert told.endswith(" at toxic 2")
    assert machine.log == []
    machine.failures["inject h"] = CapabilityError("cannot")
    assert await refused(collection.create(body(toxics=[{"type": "hold"}])), 501) == "cannot"
    assert collection.documents() == {}
    assert machine.taken == set()


@pytest.mark.parametrize("to", ["127.0.0.1:9", "127.0.0.1:99999", "nosuchport:x"])
async def test_a_proxy_that_cannot_move_stays_as_it_was(
    collection: Collection, machine: Machine, to: str
) -> None:
    machine.taken.add(9)
    entry = await made(collection, listen="127.0.0.1:7")
    plane = entry.plane
    await refused(collection.update("db", json.dumps({"listen": to}).encode()), 500)
    assert entry.plane is plane
    assert (entry.enabled, entry.listen, machine.taken) == (True, "127.0.0.1:7", {7, 9})


async def test_a_proxy_that_fails_at_its_new_upstream_returns_to_the_old_one(
    collection: Collection, machine: Machine
) -> None:
    toxics = [{"type": "hold"}]
    entry = await made(collection, listen="127.0.0.1:7", toxics=toxics)
    machine.failures_once["inject"] = HarnessError("no")
    await refused(collection.update("db", b'{"upstream":"127.0.0.1:1"}'), 500)
    assert entry.settings.upstream == "127.0.0.1:5432"
    assert entry.enabled
    assert entry.plane is not None
    assert entry.plane.faults == {"hold_downstream": Hold()}


@pytest.mark.parametrize(
    ("error", "status"),
    [(UsageError("busy"), 409), (CapabilityError("cannot"), 501), (HarnessError("broke"), 500)],
)
async def test_a_toxic_that_fails_is_not_added(
    collection: Collection, machine: Machine, error: Exception, status: int
) -> None:
    entry = await made(collection)
    machine.failures["inject"] = error
    assert await refused(collection.add_toxic("db", b'{"type":"black_hole"}'), status) == str(error)
    assert entry.toxics == {}


async def test_a_toxic_whose_proof_fails_at_its_end_is_removed(
    collection: Collection, machine: Machine
) -> None:
    entry = await made(collection, toxics=[{"type": "black_hole"}])
    machine.failures["heal"] = HarnessError("no proof")
    name = "black_hole_downstream"
    assert await refused(collection.remove_toxic("db", name), 500) == "no proof"
    assert entry.toxics == {}


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:0", ""])
async def test_populate_keeps_a_proxy_that_was_asked_for_at_any_port(
    collection: Collection, machine: Machine, listen: str
) -> None:
    text = json.dumps([{"name": "a", "listen": listen, "upstream": "127.0.0.1:1"}]).encode()
    await collection.populate(text)
    entry = collection.get("a")
    plane, port = entry.plane, entry.listen
    await collection.update("a", b'{"enabled":false}')
    await collection.update("a", b'{"enabled":true}')
    await collection.update("a", b'{"upstream":"127.0.0.1:2"}')
    await collection.update("a", b'{"upstream":"127.0.0.1:1"}')
    plane = entry.plane
    await collection.populate(text)
    assert (entry.plane, entry.listen) == (plane, port)
    assert machine.log.count("start a 0") == 1


async def test_populate_with_toxics_makes_the_proxy_have_exactly_these(
    collection: Collection, machine: Machine
) -> None:
    one = {"name": "a", "listen": "127.0.0.1:7", "upstream": "127.0.0.1:1"}
    text = json.dumps([{**one, "toxics": [{"type": "hold"}]}]).encode()
    await collection.populate(text)
    entry = collection.get("a")
    plane = entry.plane
    await collection.populate(text)
    assert entry.plane is plane
    await collection.populate(json.dumps([{**one, "toxics": []}]).encode())
    assert (entry.toxics, machine.taken) == ({}, {7})


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


async def test_of_two_requests_for_the_same_proxy_at_once_one_succeeds(
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


async def test_a_change_is_completed_although_its_client_disconnects(
    collection: Collection, machine: Machine
) -> None:
    entry = await made(collection)
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
    collection = machine.collection(limit_s=0.02)
    entry = await made(collection)
    machine.barrier = asyncio.Event()
    async with asyncio.timeout(DEADLINE_S):
        told = await refused(collection.add_toxic("db", b'{"type":"black_hole"}'), 503)
        assert told == "not done within 0.02 s; cancelled"
        assert entry.toxics == {}
        machine.barrier = None
        await collection.add_toxic("db", b'{"type":"black_hole"}')
    assert entry.plane is not None
    assert entry.plane.faults == {"black_hole_downstream": BlackHole()}


async def test_closing_cancels_changes_in_progress_and_stops_every_proxy(
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


async def test_what_is_ignored_is_in_the_answer_and_warned_of(machine: Machine) -> None:
    collection = machine.collection()
    typo = {"type": "latency", "attributes": {"latecy": 100}}
    answer = await collection.create(body(upstream="http://localhost:80", toxics=[typo], x=1))
    assert isinstance(answer["warnings"], list)
    for text, part in zip(answer["warnings"], ("'x' is", "is a URL", "'latecy' is"), strict=True):
        assert part in text
    assert machine.warned == [("db", text) for text in answer["warnings"]]
    for change in (
        collection.update("db", b'{"upstream":"redis://localhost"}'),
        collection.add_toxic("db", b'{"type":"hold","attributes":{"dealy":1}}'),
        collection.change_toxic("db", "hold_downstream", b'{"attributes":{"dealy":1}}'),
    ):
        assert len((await change)["warnings"]) == 1  # type: ignore[arg-type]
    one = {"name": "a", "upstream": "x:1", "listn": "127.0.0.1:7"}
    answer, error = await collection.populate(json.dumps([one]).encode())
    assert (error, len(answer["warnings"])) == (None, 1)  # type: ignore[arg-type]
    assert "warnings" not in await collection.update("db", b'{"enabled":false,"name":"other"}')


async def test_every_change_is_an_event(machine: Machine) -> None:
    collection = machine.collection()
    journal = machine.journal
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
