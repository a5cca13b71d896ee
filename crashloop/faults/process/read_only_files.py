"""The fault of a folder that cannot be written to."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from crashloop.errors import UsageError
from crashloop.faults.alone import DEATHS, Alone
from crashloop.faults.parameter import takes
from crashloop.faults.process.fault import ProcessFault, each_life, seen
from crashloop.faults.process.proc import read_only_mounts
from crashloop.model import CheckSpec, Launch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crashloop.faults.ports import Ports
    from crashloop.model import Life

PHASE = "init"
FOLDER_IS = "a folder's path, relative to the folder that the app works in"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOnlyFiles(ProcessFault):
    """A folder of the app's is read-only for it, by default the one that it works in: EROFS.

    Only the app's own processes find it so, and only in this folder.
    """

    kind = "read_only_files"
    receipt = seen("process.files_read_only")
    replaces: ClassVar[Literal["", "names", "files"]] = "files"
    alone = Alone(
        target="replicas",
        phase=PHASE,
        knobs={"scratch_folder": "."},
        comes=False,
        shows=(
            CheckSpec(
                check="phase_failed",
                params={
                    "phase": PHASE,
                    "times": DEATHS,
                    "errors": ("OSError",),
                    "at_limit": False,
                },
            ),
            CheckSpec(check="exit_code", params={"code": 3, "times": DEATHS}),
            CheckSpec(check="last_phase", params={"phase": PHASE}),
            CheckSpec(check="recovered", params={"phase": PHASE}),
        ),
        told_by={"missing_setting": "phase_failed"},
        ends="the app writes to a volume that it may write to, or not at all",
    )

    folder: str = field(default=".", metadata=takes("text", says=FOLDER_IS))

    def __post_init__(self) -> None:
        if not self.folder or "\0" in self.folder or self.folder.startswith("-"):
            raise UsageError(
                f"the fault read_only_files got folder={self.folder!r}",
                hint=f"folder is {FOLDER_IS}",
            )

    @contextlib.asynccontextmanager
    async def active(self, ports: Ports, *, name: str, target: str) -> AsyncIterator[None]:
        """Start each life so; emits `process.files_read_only` with its read-only mount of now."""
        lives = ports.lives()

        async def look(life: Life, pid: int) -> None:
            found = read_only_mounts(pid)
            if found:
                data = {"fault": name, "pid": pid, "folder": found[-1]}
                ports.emit("harness", "process.files_read_only", target, life=life, **data)

        async with lives.launched(Launch(read_only=self.folder)), each_life(lives, look):
            yield
