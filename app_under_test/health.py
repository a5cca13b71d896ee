"""Health: is the process alive, and is it ready to serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from app_under_test.context import Context

router = APIRouter(prefix="/health")


@router.get("/live")
async def live(request: Request) -> JSONResponse:
    """200 as long as the process answers: `{status, boot_id}`."""
    context: Context | None = getattr(request.app.state, "context", None)
    boot_id = None if context is None else context.log.boot_id
    return JSONResponse({"status": "alive", "boot_id": boot_id})


@router.get("/ready")
async def ready(request: Request) -> JSONResponse:
    """200 `ready` or `degraded`, 503 `starting` or `failed`: `{status, boot_id, phases}`.

    `failed`: a degraded start found that waiting cannot bring the database back.
    """
    context: Context | None = getattr(request.app.state, "context", None)
    if context is None or not context.ready:
        return JSONResponse({"status": "starting"}, status_code=503)
    if "failed" in context.states.values():
        status = "failed"
    else:
        status = "degraded" if context.degraded else "ready"
    return JSONResponse(
        {"status": status, "boot_id": context.log.boot_id, "phases": dict(context.states)},
        status_code=503 if status == "failed" else 200,
    )
