"""supervisord itself, in real time, compared with its model."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import TYPE_CHECKING

import pytest
from restart_gaps import Lived, decisions_of, gaps_between

from crashloop.platforms import parse_platform

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(60)]

PLATFORM = parse_platform("supervisord")
PROGRAMS = {
    "young": "exit 3",
    "young-and-well": "exit 0",
    "old": "sleep 1.3; exit 3",
    "old-and-well": "sleep 1.3; exit 0",
}
OLD_LIVES = 5
# Output wakes the loop of supervisord, which else looks at its processes once a second
# (supervisor, supervisord.py, runforever).
WAKES = {"prints": "while :; do echo; sleep 0.05; done"}
LATE_S = 0.4

CONFIG = """
[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
pidfile={folder}/pid
"""
PROGRAM = """
[program:{name}]
command=/bin/sh -c "{script}"
stdout_logfile=NONE
stderr_logfile=NONE
"""
STARTED = re.compile(r"spawned: '(?P<name>.+)' with pid")
ENDED = re.compile(r"exited: (?P<name>\S+) \(exit status (?P<status>[0-9]+);")
GAVE_UP = re.compile(r"gave up: (?P<name>\S+) entered FATAL state")


class Program:
    """What supervisord said of one program: its lives, and whether it gave up."""

    def __init__(self) -> None:
        self.started_s: list[float] = []
        self.lives: list[Lived] = []
        self.gave_up = False


async def test_supervisord_does_what_its_model_says(tmp_path: Path) -> None:
    programs = await watched(tmp_path)

    for name, program in programs.items():
        gaps = gaps_between(program.lives, PLATFORM)
        print(name, *(f"{gap}, back-off {gap.backoff_s:g} s" for gap in gaps), sep="\n  ")  # noqa: T201
        for gap in gaps:
            assert gap.backoff_s <= gap.seen_s <= gap.backoff_s + LATE_S
        restarts = [decision.restart for decision in decisions_of(program.lives, PLATFORM)]
        assert all(restarts[:-1])
        assert restarts[-1] is (name == "old")
    lives = {name: len(program.lives) for name, program in programs.items()}
    assert lives["old"] >= OLD_LIVES
    assert (lives["young"], lives["young-and-well"], lives["old-and-well"]) == (4, 4, 1)
    gave_up = {name for name, program in programs.items() if program.gave_up}
    assert gave_up == {"young", "young-and-well"}


async def watched(folder: Path) -> dict[str, Program]:
    """Run all programs until supervisord has given up the young ones."""
    config = folder / "supervisord.conf"
    config.write_text(
        CONFIG.format(folder=folder)
        + "".join(
            PROGRAM.format(name=name, script=script) for name, script in (PROGRAMS | WAKES).items()
        )
    )
    found = {name: Program() for name in PROGRAMS}
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", "-m", "supervisor.supervisord", "-c", str(config)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    clock = asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(40):
            while not is_seen(found):
                line = (await child.stdout.readline()).decode()
                assert line, "supervisord ended"
                take(line, clock(), found)
    finally:
        child.terminate()
        await child.communicate()
    return found


def is_seen(found: dict[str, Program]) -> bool:
    young = (program for name, program in found.items() if name.startswith("young"))
    has_ended = bool(found["old-and-well"].lives) and len(found["old"].lives) >= OLD_LIVES
    return has_ended and all(program.gave_up for program in young)


def take(line: str, now_s: float, found: dict[str, Program]) -> None:
    match = STARTED.search(line) or ENDED.search(line) or GAVE_UP.search(line)
    program = found.get(match["name"]) if match else None
    if match is None or program is None:
        return
    if match.re is STARTED:
        program.started_s.append(now_s)
    elif match.re is ENDED:
        started_s, status = program.started_s[-1], int(match["status"])
        program.lives.append(Lived(started_s=started_s, ended_s=now_s, status=status))
    else:
        program.gave_up = True
