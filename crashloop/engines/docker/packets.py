"""TCP segments seen in a network namespace, and what they show of the links through Toxiproxy.

Pure: bytes and instants in, events out. Both legs of a link use one port: the app connects to it at
Toxiproxy, and Toxiproxy connects to it at the database.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from socket import inet_ntoa
from typing import TYPE_CHECKING

from crashloop.clock import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator

End = tuple[str, int]

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
RECEIPTS = 3
"""Chunks of a link that are reported one by one, as by the built-in proxy."""
MAX_LINKS = 10_000
MAX_WAITING = 1000
"""Chunks of a link that may wait at once; what else comes is not counted."""

_TCP = 6
_IPV4 = 4
_SEQUENCE_SPACE = 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One TCP segment; `size_bytes` is its payload's."""

    source: End
    target: End
    flags: int
    sequence: int
    size_bytes: int
    outgoing: bool


def parse(packet: bytes, *, outgoing: bool) -> Segment | None:
    """Read an IPv4 packet that starts with its header; None if it is not TCP."""
    if len(packet) < 20 or packet[0] >> 4 != _IPV4 or packet[9] != _TCP:  # noqa: PLR2004  RFC 791
        return None
    start = (packet[0] & 0x0F) * 4
    tcp = packet[start:]
    if len(tcp) < 20:  # noqa: PLR2004  RFC 9293
        return None
    total = int.from_bytes(packet[2:4]) or len(packet)  # 0: an offloaded segment
    header = (tcp[12] >> 4) * 4
    return Segment(
        source=(inet_ntoa(packet[12:16]), int.from_bytes(tcp[0:2])),
        target=(inet_ntoa(packet[16:20]), int.from_bytes(tcp[2:4])),
        flags=tcp[13],
        sequence=int.from_bytes(tcp[4:8]),
        size_bytes=max(0, total - start - header),
        outgoing=outgoing,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An observation, with its facts."""

    kind: str
    data: dict[str, object]


@dataclass(slots=True, kw_only=True)
class _Leg:
    """One direction of one connection, and the number of bytes seen in it."""

    first: int = 0
    bytes_seen: int = 0

    def take(self, segment: Segment) -> int:
        """Count a segment, a repeated one once; returns the number of new bytes."""
        end = (segment.sequence - self.first - 1) % _SEQUENCE_SPACE + segment.size_bytes
        new = max(0, end - self.bytes_seen) if segment.size_bytes else 0
        self.bytes_seen += new
        return new


@dataclass(slots=True, kw_only=True)
class _Link:
    name: str
    client: End
    answered: bool = False
    opened: bool = False
    closed: bool = False
    back: End | None = None
    up: _Leg = field(default_factory=_Leg)
    down: _Leg = field(default_factory=_Leg)
    upstream: _Leg = field(default_factory=_Leg)
    first_down_ns: int = 0
    upstream_ended: bool = False
    waiting: deque[tuple[int, int, int]] = field(default_factory=deque)  # begins, ends, arrived_ns
    chunks: int = 0
    delay_s: float = 0.0


class Links:
    """The links through Toxiproxy's port `port`, followed by their segments.

    Kinds: `syn` (a client's first), `refused`, `opened`, `connected`, `passed` (a chunk of the
    database has gone on to the client, or never did, after `delay_s`; only the first ones),
    `closed`, with who did it first, when the first byte reached the client (0: none did), how many
    chunks there were, their bytes and their delays in all. `lost` counts links beyond the most that
    are followed.
    """

    def __init__(self, *, port: int) -> None:
        self.lost = 0
        self._port = port
        self._links: dict[End, _Link] = {}
        self._by_back: dict[End, _Link] = {}
        self._undialled: deque[_Link] = deque()
        self._count = 0

    def take(self, segment: Segment, mono_ns: int) -> Iterator[Seen]:
        """Yield what this segment shows, seen at `mono_ns`."""
        if segment.outgoing:
            if segment.source[1] == self._port:
                yield from self._to_client(segment, mono_ns)
            elif segment.target[1] == self._port:
                self._to_database(segment)
        elif segment.target[1] == self._port:
            yield from self._from_client(segment, mono_ns)
        elif segment.source[1] == self._port:
            yield from self._from_database(segment, mono_ns)

    def _from_client(self, segment: Segment, mono_ns: int) -> Iterator[Seen]:
        link = self._links.get(segment.source)
        if segment.flags & SYN:
            if link is not None and link.up.first == segment.sequence:
                return  # the same one, sent again
            if link is not None:
                self._forget(link)  # its port is used again, and its end was not seen
            self._count += 1
            link = _Link(name=f"toxi-{self._count}", client=segment.source)
            link.up.first = segment.sequence
            if len(self._links) < MAX_LINKS:
                self._links[segment.source] = link
            else:
                self.lost += 1
            yield self._seen("syn", link)
            return
        if link is None:
            return
        if link.answered and not link.opened:
            link.opened = True
            self._undialled.append(link)
            yield self._seen("opened", link)
        link.up.take(segment)
        if segment.flags & (FIN | RST):
            yield from self._close(link, "client", segment, mono_ns)

    def _to_client(self, segment: Segment, mono_ns: int) -> Iterator[Seen]:
        link = self._links.get(segment.target)
        if link is None:
            return
        if segment.flags & SYN:
            link.answered = True
            link.down.first = segment.sequence
            return
        if segment.flags & RST and not link.answered:
            del self._links[link.client]
            yield self._seen("refused", link)
            return
        if link.down.take(segment):
            link.first_down_ns = link.first_down_ns or mono_ns
            yield from self._passed(link, mono_ns)
        if segment.flags & (FIN | RST):
            by = "upstream" if link.upstream_ended else "proxy"
            yield from self._close(link, by, segment, mono_ns)

    def _to_database(self, segment: Segment) -> None:
        """Toxiproxy dials for the clients in their order, also for those that have hung up."""
        is_dial = segment.flags & SYN and segment.source not in self._by_back
        if is_dial and self._undialled:
            link = self._undialled.popleft()
            if not link.closed:
                link.back = segment.source
                self._by_back[segment.source] = link

    def _from_database(self, segment: Segment, mono_ns: int) -> Iterator[Seen]:
        link = self._by_back.get(segment.target)
        if link is None:
            return
        if segment.flags & SYN:
            link.upstream.first = segment.sequence
            via = f"{segment.target[0]}:{segment.target[1]}"
            yield self._seen("connected", link, via=via)
            return
        before = link.upstream.bytes_seen
        if link.upstream.take(segment) and len(link.waiting) < MAX_WAITING:
            link.waiting.append((before, link.upstream.bytes_seen, mono_ns))
        link.upstream_ended = link.upstream_ended or bool(segment.flags & (FIN | RST))

    def _passed(self, link: _Link, mono_ns: int) -> Iterator[Seen]:
        """Yield the chunks of which the first bytes have reached the client."""
        while link.waiting and link.waiting[0][0] < link.down.bytes_seen:
            yield from self._chunk(link, mono_ns, delivered=True)

    def _chunk(self, link: _Link, mono_ns: int, *, delivered: bool) -> Iterator[Seen]:
        """Count the chunk that has waited longest, and yield it if it is one of the first."""
        _, ends, arrived_ns = link.waiting.popleft()
        delay_s = (mono_ns - arrived_ns) / NS_PER_S
        link.chunks += 1
        link.delay_s += delay_s
        if link.chunks <= RECEIPTS:
            said = {"delay_s": delay_s, "delivered": delivered, "passed_bytes": ends}
            yield self._seen("passed", link, chunk=link.chunks, **said)

    def _close(self, link: _Link, by: str, segment: Segment, mono_ns: int) -> Iterator[Seen]:
        """Close a link at the first end that either side sends; waiting chunks are undelivered."""
        while link.waiting:
            yield from self._chunk(link, mono_ns, delivered=False)
        self._forget(link)
        yield self._seen(
            "closed",
            link,
            bytes_up=link.up.bytes_seen,
            bytes_down=link.down.bytes_seen,
            by=by,
            reset=bool(segment.flags & RST),
            first_byte_down_ns=link.first_down_ns,
            chunks=link.chunks,
            chunk_bytes=link.upstream.bytes_seen,
            delay_s=round(link.delay_s, 6),
        )

    def _forget(self, link: _Link) -> None:
        link.closed = True
        del self._links[link.client]
        if link.back is not None:
            del self._by_back[link.back]

    @staticmethod
    def _seen(kind: str, link: _Link, **data: object) -> Seen:
        client = f"{link.client[0]}:{link.client[1]}"
        return Seen(kind=kind, data={"link": link.name, "client": client, **data})
