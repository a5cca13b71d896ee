from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest
import redis.asyncio
from cache_kinds import KINDS

from crashloop.engines.cache import Kind, available_kind, cache
from crashloop.engines.reaper import identity
from crashloop.engines.workspace import workspace
from crashloop.errors import HarnessError

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE_S = 10.0


def ignore(_kind: str, _data: dict[str, Any]) -> None:
    pass


@pytest.mark.parametrize("kind", KINDS)
async def test_a_cache_answers_and_says_what_it_is(kind: Kind, tmp_path: Path) -> None:
    events: list[tuple[str, dict[str, Any]]] = []
    with workspace() as ws:
        async with cache(
            ws, emit=lambda *event: events.append(event), evidence=tmp_path, kind=kind
        ) as server:
            client = redis.asyncio.Redis.from_url(server.url)
            await client.set("key", "value")
            assert await client.get("key") == b"value"
            await client.aclose()
            pid = server.pid
    assert [name for name, _ in events] == ["cache.started", "cache.stopped"]
    assert events[0][1]["kind"] == kind
    assert events[0][1]["version"][0].isdigit()
    assert identity(pid) is None


@pytest.mark.parametrize("kind", KINDS)
async def test_a_whole_pool_may_connect_at_once(kind: Kind, tmp_path: Path) -> None:
    with workspace() as ws:
        async with cache(ws, emit=ignore, evidence=tmp_path, kind=kind) as server:
            clients = [redis.asyncio.Redis.from_url(server.url) for _ in range(30)]
            async with asyncio.timeout(DEADLINE_S):
                assert all(await asyncio.gather(*(client.ping() for client in clients)))
            for client in clients:
                await client.aclose()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_killed_cache_is_noticed(kind: Kind, tmp_path: Path) -> None:
    events: list[tuple[str, dict[str, Any]]] = []
    with workspace() as ws:
        async with cache(
            ws, emit=lambda *event: events.append(event), evidence=tmp_path, kind=kind
        ) as server:
            os.kill(server.pid, signal.SIGKILL)
            await asyncio.wait_for(server.died.wait(), DEADLINE_S)
    assert events[-1][0] == "cache.died"
    assert events[-1][1]["exit"] == "was ended by SIGKILL"


async def test_a_cache_that_does_not_start_is_quoted_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = holder.getsockname()[1]
        monkeypatch.setattr(
            "crashloop.engines.cache.kept_port", lambda _: contextlib.nullcontext(taken)
        )
        with workspace() as ws, pytest.raises(HarnessError) as failure:
            async with cache(ws, emit=ignore, evidence=tmp_path, kind="fakeredis"):
                pass
    assert "Address already in use" in failure.value.message
    assert "end what listens there" in failure.value.hint


def test_without_a_redis_server_fakeredis_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert available_kind() == "fakeredis"
