"""GET /v1/health/live and /ready: no credentials, so only the parts' names; the log has the reasons."""

from __future__ import annotations

import structlog
from fastapi import APIRouter
from fastapi.responses import JSONResponse

from zdda.api.threads import Threads
from zdda.model.views import Health

_log = structlog.get_logger("zdda.health")


def health_router(health: Health) -> APIRouter:
    """The routes under /v1/health."""
    router = APIRouter(prefix="/v1/health", tags=["health"])
    threads = Threads(2)

    @router.get("/live", summary="The process answers")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @router.get("/ready", summary="Every part answers: catalog, store, signer, runner, workers", responses={503: {}})
    async def ready() -> JSONResponse:
        parts = await threads.run(health.ready)
        away = {name: reason for name, reason in parts.items() if reason is not None}
        if away:
            _log.warning("not-ready", parts=away)
        sites = await threads.run(health.sites)
        body = {
            "status": "not ready" if away else "ready",
            "parts": {name: "away" if name in away else "ready" for name in parts},
            "sites": {name: "ready" if well else "away" for name, well in sites.items()},
        }
        return JSONResponse(body, 503 if away else 200, {"Cache-Control": "no-store"})

    return router
