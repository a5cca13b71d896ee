from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from canned_server import CannedServer

from crashloop.errors import HarnessError
from crashloop.proxy.control import Control, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from canned_server import Exchange

BOUND_S = 10.0


def _event(seq: int) -> dict[str, Any]:
    return {"seq": seq, "mono_ns": 1, "at": "x", "kind": "link.opened", "proxy": "db", "data": {}}


def _missed(count: int) -> dict[str, Any]:
    return {"kind": "events.missed", "data": {"count": count}}


def _telling(
    *pieces: object, after: Callable[[Exchange], None] | None = None
) -> Callable[[Exchange], None]:
    """A built-in proxy whose event stream has these lines, a chunk each (bytes as they are)."""

    def script(exchange: Exchange) -> None:
        if not exchange.line.startswith("GET /events"):
            exchange.answer({"version": "x"}, X_Crashloop_Seq="0")
            return
        exchange.begin_chunked(X_Crashloop_Seq="9")
        for piece in pieces:
            exchange.chunk(
                piece if isinstance(piece, bytes) else json.dumps(piece).encode() + b"\n"
            )
        if after is None:
            exchange.send(b"0\r\n\r\n")
        else:
            after(exchange)

    return script


def _told(lines: Sequence[object], **asked: Any) -> list[dict[str, Any]]:
    with CannedServer(_telling(*lines)) as server:
        return list(Control(server.url).events(**asked))


def test_events_come_in_order_until_now() -> None:
    with CannedServer(_telling(_event(3), _event(4))) as server:
        control = Control(server.url)
        assert [each["seq"] for each in control.events(since=2)] == [3, 4]
    assert server.exchanges[-1].line == "GET /events?since=2&until=now HTTP/1.1"
    assert control.last_seq == 9


def test_a_line_may_come_in_pieces_and_many_in_one() -> None:
    text = b"".join(json.dumps(_event(seq)).encode() + b"\n" for seq in (1, 2, 3))
    events = _told([text[:10], text[10:150], text[150:], b"\n"])
    assert [each["seq"] for each in events] == [1, 2, 3]


def test_missed_events_that_the_server_tells_are_passed_on_once() -> None:
    told = {**_missed(5), "seq": 5}
    assert _told([told, _event(6)]) == [told, _event(6)]


def test_a_gap_in_the_numbers_is_told_as_missed_events() -> None:
    assert _told([_event(3), _event(7)], since=1) == [_missed(1), _event(3), _missed(3), _event(7)]


def test_a_number_that_goes_back_is_the_servers_fault() -> None:
    with pytest.raises(HarnessError, match="Event 2 of the fault proxy came after 2"):
        _told([_event(2), _event(2)], since=1)


@pytest.mark.parametrize(
    "line",
    [
        b"<html>\n",
        b"[]\n",
        b"{}\n",
        {"kind": 1},
        {"kind": "a"},
        _missed(0),
        {"kind": "events.missed"},
    ],
)
def test_what_is_no_event_is_the_servers_fault(line: object) -> None:
    with pytest.raises(HarnessError, match="answer should have"):
        _told([line])


def test_a_line_that_breaks_off_is_told() -> None:
    with pytest.raises(HarnessError, match="broke off within"):
        _told([b'{"seq":'])


def test_a_line_without_end_is_not_read_to_its_end() -> None:
    def flood(exchange: Exchange) -> None:
        while True:
            exchange.chunk(b"x" * 10_000)

    with (
        CannedServer(_telling(after=flood)) as server,
        pytest.raises(HarnessError, match="a line longer than 50000 bytes"),
    ):
        list(Control(server.url, limits=Limits(reply_bytes=50_000)).events())


def test_awaiting_an_event_ends_with_it_although_the_stream_goes_on() -> None:
    awaited = _telling(_event(1), _event(2), after=lambda each: each.wait_for_the_client_to_leave())
    with CannedServer(awaited) as server:
        events = Control(server.url).events(until=2)
        assert [each["seq"] for each in events] == [1, 2]
    assert server.exchanges[-1].line == "GET /events?since=0 HTTP/1.1"


def test_an_event_that_is_past_is_not_asked_for() -> None:
    with CannedServer(_telling()) as server:
        assert list(Control(server.url).events(since=5, until=5)) == []
    assert [each.line for each in server.exchanges] == ["GET /version HTTP/1.1"]


def test_awaiting_an_event_that_does_not_come_says_which_and_what_was_seen() -> None:
    silent = _telling(_event(1), after=lambda each: each.wait())
    with CannedServer(silent) as server:
        events = Control(server.url).events(until=8, within_s=0.3)
        assert next(events)["seq"] == 1
        with pytest.raises(HarnessError) as raised:
            next(events)
    assert "in time. Awaited was event 8; the last one seen is 1." in str(raised.value)


def test_awaiting_an_event_of_a_server_that_ends_says_so() -> None:
    with pytest.raises(HarnessError, match=r"ended its events\. Awaited was event 8"):
        _told([_event(1)], until=8)


def test_a_server_that_dies_in_its_stream_is_told() -> None:
    with (
        CannedServer(_telling(_event(1), after=lambda each: each.send(b""))) as server,
        pytest.raises(HarnessError, match=r"broke off.*The last one seen is 1"),
    ):
        list(Control(server.url).events())


def test_an_endless_stream_outlives_the_limits_and_ends_when_it_is_closed() -> None:
    limits = Limits(silence_s=0.05, total_s=0.1)
    quiet = _telling(_event(1), after=lambda each: each.wait())
    with CannedServer(quiet) as server:
        events = Control(server.url, limits=limits).events(until=None)
        assert next(events)["seq"] == 1
        ended = threading.Event()

        def follow() -> None:
            assert list(events) == []
            ended.set()

        follower = threading.Thread(target=follow, daemon=True)
        follower.start()
        assert not ended.wait(0.25), "the endless stream has a limit"
        closed_s = time.monotonic()
        events.close()
        assert ended.wait(BOUND_S)
        assert time.monotonic() - closed_s < BOUND_S, "the server ended it, not the close"
        follower.join(BOUND_S)


def test_leaving_the_block_closes_the_connection() -> None:
    left = threading.Event()

    def after(exchange: Exchange) -> None:
        exchange.wait_for_the_client_to_leave()
        left.set()

    with CannedServer(_telling(_event(1), after=after)) as server:
        with Control(server.url).events(until=None) as events:
            next(events)
        assert left.wait(BOUND_S)
