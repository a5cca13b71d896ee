"""systemd itself, as the manager of a private set of units, compared with its model in real time.

It runs in namespaces of its own with a cgroup of its own, which takes root.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
import uuid
from pathlib import Path

import pytest
from restart_gaps import Lived, decisions_of, gaps_between

from crashloop.platforms import parse_platform

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(60)]

PLATFORM = parse_platform("systemd")
MANAGER = "/usr/lib/systemd/systemd"
OLD_LIVES = 5
# systemd, sd_event_add_time: a timer may be up to 250 ms late where nothing else is asked for.
ACCURACY_S = 0.25
BUSY_S = 0.3

UNIT = """
[Unit]
OnFailure={name}-failed.service
[Service]
Restart=on-failure
ExecStart=/bin/sh -c 'exec > {pipe}; echo {name} started; {script}; exit {status}'
"""
FAILED = """
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo {name} failed > {pipe}'
"""
UNITS = {
    "young": ("echo young ended", 3),
    "old": ("sleep 2.2; echo old ended", 3),
    "well": ("echo well ended", 0),
}
TARGET = f"[Unit]\nWants={' '.join(f'{name}.service' for name in UNITS)}\n"
START = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/user/0
chmod 700 /run/user/0
mkdir "$CGROUP"
echo $$ > "$CGROUP/cgroup.procs"
{manager} --user --unit=all.target || exit 1 # it refuses to be the first process here
"""


async def test_systemd_does_what_its_model_says(tmp_path: Path) -> None:
    require_systemd()

    lives, failed = await watched(tmp_path)

    for name, its in lives.items():
        gaps = gaps_between(its, PLATFORM)
        print(name, *(f"{gap}, back-off {gap.backoff_s:g} s" for gap in gaps), sep="\n  ")  # noqa: T201
        for gap in gaps:
            assert gap.backoff_s <= gap.seen_s <= gap.backoff_s + ACCURACY_S + BUSY_S
        restarts = [decision.restart for decision in decisions_of(its, PLATFORM)]
        assert all(restarts[:-1])
        assert restarts[-1] is (name == "old")
    assert (len(lives["young"]), len(lives["well"])) == (5, 1)
    assert len(lives["old"]) >= OLD_LIVES
    assert failed == {"young"}


def require_systemd() -> None:
    has_both = Path(MANAGER).exists() and shutil.which("unshare")
    if sys.platform != "linux" or os.geteuid() != 0 or not has_both:
        pytest.skip("needs Linux, root, systemd and unshare")


async def watched(folder: Path) -> tuple[dict[str, list[Lived]], set[str]]:
    """The lives of each unit until the old one has lived often enough, and the failed units."""
    units, pipe = folder / "config" / "systemd" / "user", folder / "pipe"
    units.mkdir(parents=True)
    os.mkfifo(pipe)
    (units / "all.target").write_text(TARGET)
    for name, (script, status) in UNITS.items():
        text = UNIT.format(name=name, script=script, status=status, pipe=pipe)
        (units / f"{name}.service").write_text(text)
        (units / f"{name}-failed.service").write_text(FAILED.format(name=name, pipe=pipe))
    cgroups = Path("/sys/fs/cgroup")
    version_1 = cgroups / "systemd"
    root = version_1 if version_1.exists() else cgroups
    cgroup = root / f"crashloop-{uuid.uuid4().hex[:8]}"
    environment = {
        "CGROUP": str(cgroup),
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_RUNTIME_DIR": "/run/user/0",
    }
    child = await asyncio.create_subprocess_exec(
        *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
        *("/bin/sh", "-c", START.format(manager=MANAGER)),
        env=environment,
    )
    try:
        return await heard(pipe)
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
        await asyncio.to_thread(remove, cgroup)


async def heard(pipe: Path) -> tuple[dict[str, list[Lived]], set[str]]:
    lives: dict[str, list[Lived]] = {name: [] for name in UNITS}
    started_s: dict[str, float] = {}
    failed: set[str] = set()
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe.open("r+b", buffering=0)
    )
    try:
        async with asyncio.timeout(40):
            while len(lives["old"]) < OLD_LIVES or not failed:
                name, what = (await reader.readline()).decode().split()
                if what == "started":
                    started_s[name] = loop.time()
                elif what == "failed":
                    failed.add(name)
                else:
                    life = Lived(
                        started_s=started_s[name], ended_s=loop.time(), status=UNITS[name][1]
                    )
                    lives[name].append(life)
    except TimeoutError:
        if not started_s:
            pytest.skip("systemd starts no unit here")
        raise
    finally:
        transport.close()
    return lives, failed


def remove(cgroup: Path) -> None:
    """Remove a cgroup and those in it, as soon as the last process in it is gone."""
    until_s = time.monotonic() + 10
    while cgroup.exists():
        for folder in (*sorted(cgroup.rglob("*/"), reverse=True), cgroup):
            try:
                folder.rmdir()
            except OSError:
                assert time.monotonic() < until_s, f"{folder} is in use"
        time.sleep(0.05)  # a cgroup of version 1 has no event for becoming empty
