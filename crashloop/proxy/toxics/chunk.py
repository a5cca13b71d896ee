"""Chunks: what moves on a link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CHUNK_BYTES = 32 * 1024
"""Largest chunk that a toxic sees; Toxiproxy's own."""

End = Literal["end", "close", "reset"]
"""How a stream ends: its source ends, a toxic closes the connection, or a reset."""


@dataclass(slots=True)
class Chunk:
    """Bytes read at once from a source; or, without bytes, the end of the stream.

    `at_ns` is the arrival, which a latency moves on by its delay; `entered_ns` is when the chunk
    came to the stage that has it now. Both on the monotonic clock.
    """

    data: memoryview
    at_ns: int
    entered_ns: int
    end: End | None = None

    @classmethod
    def ending(cls, end: End, now_ns: int) -> Chunk:
        """The end of a stream, as the last chunk of it."""
        return cls(data=memoryview(b""), at_ns=now_ns, entered_ns=now_ns, end=end)

    def split(self, size_bytes: int, now_ns: int) -> tuple[Chunk, Chunk | None]:
        """Split off the first bytes; the rest, if there is any, waits from now on."""
        if size_bytes >= len(self.data):
            return self, None
        head = Chunk(self.data[:size_bytes], self.at_ns, self.entered_ns)
        return head, Chunk(self.data[size_bytes:], self.at_ns, now_ns)
