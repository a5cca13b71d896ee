"""The app: `uvicorn app_under_test.main:app`; variants of it come from `create_app`."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from app_under_test import collector

with collector.paused():
    from fastapi import FastAPI

    from app_under_test import health, routes, startup
    from app_under_test.context import Context
    from app_under_test.log import Log
    from app_under_test.phases import DEFAULT_PHASES
    from app_under_test.settings import Settings, SettingsError, load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from app_under_test.phases import Phase


def create_app(
    settings: Settings | None = None,
    phases: Sequence[Phase] = DEFAULT_PHASES,
    *,
    module: str = "app_under_test.main",
) -> FastAPI:
    """Build the app; nothing is read, opened or logged before its lifespan begins.

    Without settings the environment is read at each start. `module` names the app in its log.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        log = Log(boot_id=uuid4().hex)
        startup.announce(log, module=module)
        try:
            chosen = load() if settings is None else settings
        except SettingsError as error:
            raise startup.refuse(log, error) from error
        context = Context(settings=chosen, log=log)
        app.state.context = context
        starting = None
        if chosen.listen_first:
            # The server opens its port as soon as this yields.
            starting = asyncio.create_task(startup.start_or_exit(context, phases), name="start-up")
        else:
            await startup.start(context, phases)
        try:
            yield
        finally:
            await startup.shut_down(context, starting)

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    app.include_router(routes.router)
    app.include_router(health.router)
    return app


app = create_app()
