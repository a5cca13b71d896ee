"""The routes of the golden path: the chat's WebSocket and the list of stored messages.

A request that comes before start-up is complete waits for that.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID

from fastapi import APIRouter, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse

from app_under_test.failure import DatabaseAwayError

if TYPE_CHECKING:
    from app_under_test.context import Context

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
TRY_AGAIN_LATER = 1013
GOING_AWAY = 1001

router = APIRouter()


@router.websocket("/ws/chat")
async def converse(socket: WebSocket) -> None:
    """Answer every frame until the client leaves or has been silent for the idle limit.

    A message that is answered with `stored: false` is acknowledged when it is stored, by one more
    frame: `{"key": ..., "stored": true}`.
    """
    context: Context = socket.app.state.context
    await context.started.wait()
    chat, connections = context.chat, context.connections
    assert connections is not None, "a chat before phase websocket"
    with connections.holding(socket) as placed:
        await socket.accept()
        if not placed:
            await socket.close(TRY_AGAIN_LATER, "too many chats are open; come back later")
            return
        if chat is None:
            await socket.close(TRY_AGAIN_LATER, "the chat service is not there yet; come back")
            return
        stored: asyncio.Queue[UUID] = asyncio.Queue()  # bounded by the messages that are kept
        acknowledging = asyncio.create_task(_acknowledge(socket, stored))
        try:
            while True:
                async with asyncio.timeout(context.settings.websocket_idle_s):
                    frame = await _receive(socket)
                await socket.send_json(await chat.answer(frame, stored.put_nowait))
        except WebSocketDisconnect:
            return
        except TimeoutError:
            await socket.close(GOING_AWAY, "no message for too long")
        finally:
            acknowledging.cancel()
            await asyncio.gather(acknowledging, return_exceptions=True)


async def _acknowledge(socket: WebSocket, stored: asyncio.Queue[UUID]) -> None:
    """Send a frame for each message that is stored after its answer."""
    while True:
        key = await stored.get()
        await socket.send_json({"key": str(key), "stored": True})


async def _receive(socket: WebSocket) -> str:
    """Wait for a frame; a binary one counts as text that is not JSON."""
    event = await socket.receive()
    if event["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(event.get("code", 1006), event.get("reason"))
    return event.get("text") or ""


@router.get("/messages")
async def messages(request: Request) -> JSONResponse:
    """Return the newest stored messages (`?limit=`, 1 to 100, 20 if not given) or that of `?key=`.

    422 for a bad parameter, 503 while the database is away, both as `{error}`. The parameters are
    read by hand: declaring them costs 14 ms of every start (FastAPI then loads pydantic.v1).
    """
    context: Context = request.app.state.context
    await context.started.wait()
    if context.chat is None:
        problem = "the chat service is not there yet; try again later"
        return JSONResponse({"error": problem}, status_code=503)
    query = request.query_params
    try:
        limit = int(query.get("limit", DEFAULT_LIMIT))
        key = UUID(query["key"]) if "key" in query else None
    except ValueError:
        limit, key = 0, None
    if not 1 <= limit <= MAX_LIMIT:
        problem = f"limit must be 1 to {MAX_LIMIT} and key, if given, a UUID"
        return JSONResponse({"error": problem}, status_code=422)
    try:
        found = await context.chat.store.newest(limit=limit, key=key)
    except DatabaseAwayError as error:
        return JSONResponse({"error": f"{error}; try again later"}, status_code=503)
    return JSONResponse(
        {
            "messages": [
                {
                    "id": message.id,
                    "key": str(message.key),
                    "text": message.text,
                    "created_at": message.created_at.isoformat(),
                }
                for message in found
            ]
        }
    )
