"""How the lives of a local run find the address of a name.

A life that a fault acts on has its own /etc/hosts with the fault's answers, and asks no DNS server.
Its /etc/resolv.conf is a FIFO. The C library reads that file at each look-up before it looks
anywhere else, and waits until somebody opens the FIFO for writing: so each look-up is seen, with
the process that it comes from, and continues only when it is let.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crashloop.clock import NS_PER_S
from crashloop.engines import mounts
from crashloop.errors import CapabilityError, UsageError
from crashloop.model import Launch
from crashloop.proxy.kernel.owner import members, session_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from crashloop.engines.links import Links
    from crashloop.engines.lives import Lives
    from crashloop.engines.workspace import Workspace

LOOK_EVERY_S = 0.002
HOSTS, RESOLV_CONF = Path("/etc/hosts"), Path("/etc/resolv.conf")
NSSWITCH, NSCD = Path("/etc/nsswitch.conf"), Path("/var/run/nscd")
SEEN_WITHIN_S = 1.0
"""Who has opened the FIFO is seen among the open files of a process at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What a fault answers about a target's name: addresses, so long after it was asked."""

    fault: str
    target: str
    name: str
    addresses: tuple[str, ...]
    after_s: float


class Names:
    """The names by which a run's lives reach dependencies, by target."""

    def __init__(
        self, names: Mapping[str, str], *, space: Workspace, lives: Lives, links: Links
    ) -> None:
        self._names = names
        self._space = space
        self._lives = lives
        self._links = links
        self._answer: _Answer | None = None
        self._serving: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def answered(
        self, target: str, addresses: tuple[str, ...], *, fault: str, after_s: float = 0.0
    ) -> AsyncIterator[None]:
        """While entered, new lives find these addresses for the target's name.

        Each look-up takes `after_s` more. Emits `name.asked` and `name.answered` of the target for
        each. On leaving, who waits is answered, and running lives find what this machine says.
        """
        name = self._names.get(target)
        if name is None:
            raise UsageError(
                f"the app reaches {target} by its address, so no name can be the fault",
                hint=f"reached by a name: {', '.join(self._names) or 'none'}",
            )
        if self._answer is not None:
            raise UsageError(
                f"two faults of names at the same time: {self._answer.fault} and {fault}",
                hint="heal the one before the other",
            )
        folder = self._folder()
        usual = _text(HOSTS)
        _write(folder / "hosts", _hosts(usual, name, addresses))
        answer = self._answer = _Answer(
            fault=fault, target=target, name=name, addresses=addresses, after_s=after_s
        )
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve(folder / "asked"))
        try:
            async with self._lives.launched(Launch(prefix=self._prefix(folder))):
                yield
        finally:
            _write(folder / "hosts", usual)
            assert self._answer is answer
            self._answer = None
        if self._serving.done():
            self._serving.result()

    async def stop(self) -> None:
        """Answer nobody any more; the lives have ended."""
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)

    def _folder(self) -> Path:
        folder = self._space.path / "names"
        if not folder.is_dir():
            folder.mkdir(mode=0o755)
            os.mkfifo(folder / "asked", 0o644)
            (folder / "nscd").mkdir()
            (folder / "nsswitch.conf").write_text(_nsswitch(_text(NSSWITCH)))
        return folder

    def _prefix(self, folder: Path) -> tuple[str, ...]:
        files = {
            HOSTS: folder / "hosts",
            NSSWITCH: folder / "nsswitch.conf",
            RESOLV_CONF: folder / "asked",
        }
        if NSCD.is_dir():  # it would answer in the place of these files
            files[NSCD] = folder / "nscd"
        return mounts.in_namespace(mounts.bound(files))

    async def _serve(self, fifo: Path) -> None:
        """Let each look-up continue, when its time has come."""
        while True:
            try:
                descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:  # ENXIO: nobody asks, and a FIFO does not tell when somebody does
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            try:
                asked = await self._waited(fifo)
            finally:
                os.close(descriptor)
            await self._continued(fifo, asked)

    async def _waited(self, fifo: Path) -> list[int]:
        """Wait until those that have the FIFO open may continue; the processes that were seen."""
        answer, asked = self._answer, dict[int, int]()
        latest_ns = time.monotonic_ns()
        while answer is not None and self._answer is answer:
            now_ns = time.monotonic_ns()
            for pid in self._readers(fifo):
                if pid not in asked:
                    asked[pid] = latest_ns = now_ns
                    self._emit("name.asked", answer, pid)
            due_s = answer.after_s if asked else SEEN_WITHIN_S
            if now_ns - latest_ns >= due_s * NS_PER_S:
                break
            await asyncio.sleep(LOOK_EVERY_S)
        for pid, since_ns in asked.items():
            waited_s = (time.monotonic_ns() - since_ns) / NS_PER_S
            assert answer is not None
            said = {"addresses": list(answer.addresses), "waited_s": round(waited_s, 6)}
            self._emit("name.answered", answer, pid, **said)
        return list(asked)

    async def _continued(self, fifo: Path, asked: Sequence[int]) -> None:
        """Wait until they have closed the FIFO: who has it open next asks again."""
        until_ns = time.monotonic_ns() + SEEN_WITHIN_S * NS_PER_S
        while time.monotonic_ns() < until_ns:
            if not any(_has_open(pid, fifo) for pid in asked):
                return
            await asyncio.sleep(LOOK_EVERY_S)

    def _readers(self, fifo: Path) -> list[int]:
        """The processes of the lives that have the FIFO open."""
        leaders = [pid for _, pid in self._lives.running()]
        found = [pid for pid in leaders if _has_open(pid, fifo)]
        return found or [pid for pid in members(tuple(leaders)) if _has_open(pid, fifo)]

    def _emit(self, kind: str, answer: _Answer, pid: int, **said: Any) -> None:
        data = {
            "fault": answer.fault,
            "name": answer.name,
            "pid": pid,
            "session": session_of(pid),
            **said,
        }
        now_ns = time.monotonic_ns()
        self._links.record(kind, data, now_ns, target=answer.target, source="harness")


def require_names(fault: str) -> None:
    """Raise CapabilityError if a life cannot be given names of its own, with the reason."""
    mounts.require_namespace(fault)
    missing = [str(each) for each in (HOSTS, RESOLV_CONF, NSSWITCH) if not each.is_file()]
    if missing:
        raise CapabilityError(
            f"the fault {fault} mounts a file over {missing[0]}, which this machine does not have",
            hint="run it on a Linux whose names glibc looks up",
        )


def _hosts(usual: str, name: str, addresses: Iterable[str]) -> str:
    """A hosts file in which a name has these addresses, and every other name is as usual."""
    lines = [f"{address} {name}" for address in addresses]
    for line in usual.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if others := [each for each in names if each != name]:
            lines.append(" ".join((address, *others)))
    return "".join(f"{line}\n" for line in lines)


def _nsswitch(usual: str) -> str:
    """The C library's configuration, in which names come from the hosts file alone."""
    kept = [line for line in usual.splitlines() if not line.lstrip().startswith("hosts:")]
    return "".join(f"{line}\n" for line in (*kept, "hosts: files"))


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="surrogateescape")


def _write(file: Path, text: str) -> None:
    """Write a file that lives have mounted, in place."""
    file.write_text(text, encoding="utf-8", errors="surrogateescape")


def _has_open(pid: int, file: Path) -> bool:
    """Whether a process has a file open."""
    with contextlib.suppress(OSError):  # the process has ended
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed since it was listed
                if descriptor.samefile(file):
                    return True
    return False
