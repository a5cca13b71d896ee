"""What the contract tests of the toxics cannot show with a real clock: exact times, every order."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from crashloop.proxy.faults import (
    Bandwidth,
    Latency,
    LinkFault,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
)
from crashloop.proxy.toxics.chain import Chain
from crashloop.proxy.toxics.chunk import Chunk
from crashloop.proxy.toxics.stage import Stage

MS = 1_000_000
S = 1000 * MS


class Line:
    """A chain with a clock that the test moves; records what leaves it, and when."""

    def __init__(self, *faults: LinkFault, seed: str = "seed", sink_open: bool = True) -> None:
        self.now_ns = 0
        self.sink_open = sink_open
        self.came_out: list[tuple[int, bytes]] = []
        self.end: str | None = None
        self.dropped_bytes = 0
        self.chain = Chain(self)
        for number, fault in enumerate(faults):
            self.add(f"f{number}", fault, seed=seed)

    def delayed(self, stage: Stage, waited_ns: int) -> None:
        assert stage.active
        assert waited_ns >= 0

    def dropped(self, stage: Stage, size_bytes: int) -> None:
        assert stage.active
        self.dropped_bytes += size_bytes

    def add(self, fault_id: str, fault: LinkFault, seed: str = "seed") -> None:
        stage = Stage(fault_id=fault_id, fault=fault, seed=seed, now_ns=self.now_ns)
        self.chain.add(stage)
        self.settle()

    def put(self, data: bytes) -> None:
        self.chain.put(Chunk(memoryview(data), self.now_ns, self.now_ns))
        self.settle()

    def finish(self) -> None:
        self.chain.put(Chunk.ending("end", self.now_ns))
        self.settle()

    def until(self, at_ns: int) -> None:
        while self.chain.due_ns is not None and self.chain.due_ns <= at_ns:
            self.now_ns = max(self.now_ns, self.chain.due_ns)
            self.settle()
        self.now_ns = at_ns
        self.settle()

    def settle(self) -> None:
        self.chain.advance(self.now_ns)
        while self.sink_open and self.chain.outbox.chunks and self.end is None:
            chunk = self.chain.outbox.chunks[0]
            self.chain.outbox.take(len(chunk.data))
            if chunk.end is None:
                self.came_out.append((self.now_ns, bytes(chunk.data)))
            else:
                self.end = chunk.end
            self.chain.advance(self.now_ns)

    @property
    def data(self) -> bytes:
        return b"".join(data for _, data in self.came_out)


def test_two_latencies_add_up_for_every_chunk_of_a_stream() -> None:
    line = Line(Latency(latency_s=0.2), Latency(latency_s=0.2))
    line.put(b"a")
    line.until(150 * MS)
    line.put(b"b")
    line.until(S)
    assert line.came_out == [(400 * MS, b"a"), (550 * MS, b"b")]


def test_jitter_stays_in_its_range_and_repeats_with_its_seed() -> None:
    def times(seed: str) -> list[int]:
        line = Line(Latency(latency_s=0.01, jitter_s=0.02), seed=seed)
        out = []
        for number in range(100):
            line.until(number * S)
            line.put(b"x")
            line.until(number * S + S // 2)
            out.append(line.came_out[-1][0] - number * S)
        return out

    assert times("1") == times("1")
    assert times("1") != times("2")
    assert min(times("1")) == 0
    assert 25 * MS < max(times("1")) <= 30 * MS


def test_bandwidth_sends_a_large_chunk_in_pieces_of_100_ms() -> None:
    line = Line(Bandwidth(rate_bytes_s=10_000))
    line.put(b"x" * 2500)
    line.until(2 * S)
    sizes = [(at_ns // MS, len(data)) for at_ns, data in line.came_out]
    assert sizes == [(100, 1000), (200, 1000), (250, 500)]


def test_bandwidth_keeps_its_rate_over_many_chunks_however_late_the_timer() -> None:
    line = Line(Bandwidth(rate_bytes_s=1_000_000))
    for at_ms in range(0, 1000, 3):  # 3000 bytes every 3 ms: exactly the rate
        line.until(at_ms * MS)
        line.put(b"x" * 3000)
    line.until(1010 * MS)
    assert len(line.data) == 334 * 3000
    assert line.came_out[-1][0] < 1006 * MS


def test_timeout_drops_data_and_closes_after_the_last_of_it() -> None:
    line = Line(Timeout(timeout_s=0.1))
    line.put(b"lost")
    line.until(60 * MS)
    line.put(b"lost too")
    line.until(159 * MS)
    assert not line.end
    line.until(160 * MS)
    assert (line.data, line.end, line.dropped_bytes) == (b"", "close", 12)


def test_a_reset_that_is_healed_in_time_passes_on_the_data() -> None:
    line = Line(ResetPeer(timeout_s=10))
    line.put(b"kept")
    line.until(S)
    line.chain.remove("f0", line.now_ns)
    line.finish()
    assert (line.data, line.end) == (b"kept", "end")


def test_a_changed_latency_passes_on_the_held_chunk_and_delays_the_rest_by_the_new_rule() -> None:
    line = Line(Latency(latency_s=60))
    line.put(b"a")
    line.put(b"b")
    line.until(S)
    line.chain.change("f0", Latency(latency_s=2), line.now_ns)
    line.settle()
    assert line.came_out == [(S, b"a")]
    line.until(3 * S)
    assert line.came_out[1:] == [(2 * S, b"b")]


def test_a_toxic_that_is_added_does_not_release_what_others_hold() -> None:
    line = Line(Latency(latency_s=1))
    line.put(b"a")
    line.add("late", Latency(latency_s=0.5))
    line.until(10 * S)
    assert line.came_out == [(1500 * MS, b"a")]


def test_toxicity_spares_some_links_and_those_pass_everything_at_once() -> None:
    faults = [Latency(latency_s=1, toxicity=0.5)]
    lines = [Line(*faults, seed=str(number)) for number in range(40)]
    for line in lines:
        line.put(b"x")
    spared = sum(bool(line.came_out) for line in lines)
    assert 8 < spared < 32
    assert sum(line.chain.stages[0].active for line in lines) == 40 - spared


def test_a_full_sink_stops_the_source_at_a_bound() -> None:
    line = Line(Bandwidth(rate_bytes_s=10**12), sink_open=False)
    count = 0
    while line.chain.has_room and count < 1000:
        count += 1
        line.put(b"x" * 32768)
        line.until(line.now_ns + S)
    assert count < 20


FAULTS: st.SearchStrategy[LinkFault] = st.one_of(
    st.builds(Latency, latency_s=st.floats(0, 2), jitter_s=st.floats(0, 1)),
    st.builds(Bandwidth, rate_bytes_s=st.integers(1, 10_000)),
    st.builds(SlowClose, delay_s=st.floats(0, 2)),
    st.builds(
        Slicer,
        average_bytes=st.integers(8, 64),
        variation_bytes=st.integers(0, 8),
        delay_s=st.floats(0, 0.01),
    ),
)
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.binary(min_size=1, max_size=300)),
        st.tuples(st.just("wait"), st.integers(1, 3 * S)),
        st.tuples(st.just("add"), FAULTS),
        st.tuples(st.just("change"), st.integers(0, 5)),
        st.tuples(st.just("remove"), st.integers(0, 5)),
        st.tuples(st.just("sink"), st.booleans()),
    ),
    max_size=40,
)


@given(ACTIONS)
def test_a_chain_conserves_bytes_in_order_and_ends_whatever_is_done_to_it(
    actions: Sequence[tuple[str, object]],
) -> None:
    line = Line()
    sent = b""
    added = 0
    for action, value in actions:
        match action, value:
            case "put", bytes(data):
                line.put(data)
                sent += data
            case "wait", int(by_ns):
                line.until(line.now_ns + by_ns)
            case "add", fault:
                line.add(f"f{added}", fault)  # type: ignore[arg-type]
                added += 1
        if action == "change" and line.chain.stages:
            stage = line.chain.stages[int(value) % len(line.chain.stages)]  # type: ignore[call-overload]
            line.chain.change(stage.fault_id, stage.fault, line.now_ns)
        elif action == "remove":
            line.chain.remove(f"f{value}", line.now_ns)
        elif action == "sink":
            line.sink_open = bool(value)
        line.settle()
        assert sent.startswith(line.data)
    line.sink_open = True
    line.finish()
    line.until(line.now_ns + 3600 * S)
    assert line.data == sent
    assert line.end == "end"
