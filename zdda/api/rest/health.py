"""GET /v1/health/live and /ready: without credentials, without detail about anything but the parts' names."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from zdda.model.views import Health


def health_router(health: Health) -> APIRouter:
    """The routes under /v1/health."""
    router = APIRouter(prefix="/v1/health", tags=["health"])

    @router.get("/live", summary="The process answers")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @router.get("/ready", summary="Every part answers: catalog, store, signer, runner, workers")
    async def ready() -> JSONResponse:
        parts = await run_in_threadpool(health.ready)
        well = all(reason is None for reason in parts.values())
        body = {
            "status": "ready" if well else "not ready",
            "parts": {name: reason or "ready" for name, reason in parts.items()},
        }
        return JSONResponse(body, 200 if well else 503)

    return router
