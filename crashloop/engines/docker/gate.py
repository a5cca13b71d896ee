"""The program in Toxiproxy's network namespace: reports segments, and closes the port by iptables.

It reads questions from standard input and answers each in a line; every other line that it writes
is an observation: `{"kind", "mono_ns", "data"}`. It ends with its input. Reading all segments needs
CAP_NET_RAW, closing the port CAP_NET_ADMIN.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import struct
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from crashloop.clock import NS_PER_S
from crashloop.engines.docker.instants import mono_ns
from crashloop.engines.docker.packets import Links, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

_ALL_PACKETS = 3  # ETH_P_ALL: a socket for one protocol is not given what goes out
_IPV4 = 0x0800
_OUTGOING = 4  # PACKET_OUTGOING
_LOOPBACK = "lo"
_MAX_PACKET_BYTES = 65_535
_MORE_BYTES = 128
_BUFFER_BYTES = 4 * 1024 * 1024
# Not in Python's socket module; the kernel's own numbers
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35
_SOL_PACKET = 263
_STATISTICS = 6
CHECK_S = 0.25
COMMAND_BOUND_S = 5.0

RULES = {
    "refuse": ("-j", "REJECT", "--reject-with", "tcp-reset"),
    "black_hole": ("--syn", "-j", "DROP"),
}
"""What the kernel does with segments to the port: reset each of them, or drop each SYN."""


class Gate:
    """The port `port` of this network namespace."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._links = Links(port=port)
        self._rules: dict[str, list[str]] = {}
        self._shut_by = ""
        self._lost = 0
        self._socket = socket.socket(
            socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL_PACKETS)
        )
        with contextlib.suppress(PermissionError):  # without NET_ADMIN: the system's own size
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setblocking(False)

    def begin(self) -> None:
        """Read segments from now on, in the running loop."""
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._read)

    async def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one question: `able`, `shut`, `open` or `settle`."""
        match question["do"]:
            case "able":
                return self._able()
            case "shut":
                return await self._shut(str(question["fault"]), str(question["how"]))
            case "open":
                return self._open(str(question["fault"]))
        self._read()
        self._lost += struct.unpack("II", self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 8))[1]
        return {"lost": self._lost + self._links.lost}

    def _read(self) -> None:
        """Report all segments that have arrived by now."""
        while True:
            try:
                packet, more, _, address = self._socket.recvmsg(_MAX_PACKET_BYTES, _MORE_BYTES)
            except BlockingIOError:
                return
            at_ns = _instant_ns(more)
            if address[0] == _LOOPBACK or address[1] != _IPV4:
                continue
            segment = parse(packet, outgoing=address[2] == _OUTGOING)
            if segment is None:
                continue
            for seen in self._links.take(segment, at_ns):
                shut = {"fault": self._shut_by} if seen.kind in {"syn", "refused"} else {}
                report(seen.kind, {**seen.data, **shut}, at_ns)

    def _able(self) -> dict[str, Any]:
        """Whether the kernel lets us close the port here."""
        if shutil.which("iptables") is None:
            return {"error": "there is no iptables in the side-car's image"}
        done = self._iptables(["-S", "INPUT"])
        return {} if done.returncode == 0 else {"error": done.stderr.strip()[:300]}

    async def _shut(self, fault: str, how: str) -> dict[str, Any]:
        rule = ["INPUT", "-p", "tcp", "--dport", str(self._port), *RULES[how]]
        done = self._iptables(["-I", *rule])
        if done.returncode:
            return {"error": done.stderr.strip()[:300]}
        self._read()  # segments from before the rule are not receipts
        self._rules[fault], self._shut_by = rule, fault
        report("gate.closed", {"fault": fault, "mode": how}, time.monotonic_ns())
        observed = await self._connect()
        report("gate.checked", {"fault": fault, "observed": observed}, time.monotonic_ns())
        return {"observed": observed}

    def _open(self, fault: str) -> dict[str, Any]:
        self._read()
        self._shut_by = ""  # segments from now on are not receipts
        done = self._iptables(["-D", *self._rules.pop(fault)])
        if done.returncode:
            return {"error": done.stderr.strip()[:300]}
        report("gate.opened", {"fault": fault}, time.monotonic_ns())
        return {}

    async def _connect(self) -> str:
        """Connect to the port; returns what was observed."""
        try:
            async with asyncio.timeout(CHECK_S):
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            return "no answer"
        except OSError as error:
            return type(error).__name__
        writer.close()
        return "accepted"

    @staticmethod
    def _iptables(arguments: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603  fixed words, a port, and our own rules
            ["iptables", "-w", "2", *arguments],  # noqa: S607  the image's own
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_BOUND_S,
        )


def _instant_ns(more: list[tuple[int, int, bytes]]) -> int:
    """When the kernel received a segment, on the monotonic clock; now if it does not say."""
    for level, kind, data in more:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("qq", data[:16])
            return mono_ns(seconds * NS_PER_S + nanoseconds)
    return time.monotonic_ns()


def report(kind: str, data: Mapping[str, object], mono_ns: int) -> None:
    """Write an observation."""
    write({"kind": kind, "mono_ns": mono_ns, "data": data})


def write(line: Mapping[str, object]) -> None:
    """Write a line of JSON."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def main(port: int) -> None:
    """Observe and answer until the input ends."""
    gate = Gate(port)
    gate.begin()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        write({"answer": await gate.answer(json.loads(line))})


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
