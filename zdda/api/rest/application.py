"""The ASGI application of REST v1."""

from __future__ import annotations

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from zdda import __version__
from zdda.api.authentication import Authenticator
from zdda.api.correlation import CorrelationMiddleware, without_values
from zdda.api.problems import KNOWN, Known, problem, problem_of
from zdda.api.rest.deposits import DepositLimits, deposits_router
from zdda.api.rest.documentation import add_documentation
from zdda.api.rest.health import health_router
from zdda.api.rest.packages import packages_router
from zdda.api.rest.validations import validations_router
from zdda.model.clock import Entropy, system_entropy
from zdda.model.errors import ZddaError
from zdda.model.views import Deposits, Health, Packages, Validations

_log = structlog.get_logger("zdda.access")


def create_application(
    deposits: Deposits,
    packages: Packages,
    validations: Validations,
    health: Health,
    authenticator: Authenticator,
    limits: DepositLimits,
    entropy: Entropy = system_entropy,
) -> FastAPI:
    """Wires routes to use cases. Every error leaves as a problem (RFC 9457)."""
    application = FastAPI(
        title="ZDDA",
        version=__version__,
        description="Long-term trusted archive: deposit documents, get them back with their proof.",
        docs_url=None,
        redoc_url=None,
    )
    application.include_router(deposits_router(deposits, authenticator, limits))
    application.include_router(packages_router(packages, authenticator))
    application.include_router(validations_router(validations, authenticator, limits))
    application.include_router(health_router(health))
    add_documentation(application)
    application.add_middleware(CorrelationMiddleware, entropy=entropy)

    @application.exception_handler(ZddaError)
    async def refused(request: Request, error: ZddaError) -> JSONResponse:
        answer = problem_of(error, request.state.correlation_id)
        if answer.status_code >= 500:
            _log.error("call-failed", status=answer.status_code, **without_values(error))
        return answer

    @application.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        in_path = any(each["loc"][0] == "path" for each in error.errors())
        code = "not-found" if in_path else "invalid-input"
        return problem(code, KNOWN[code], KNOWN[code].title, request.state.correlation_id)

    @application.exception_handler(HTTPException)
    async def unrouted(request: Request, error: HTTPException) -> JSONResponse:
        correlation_id = request.state.correlation_id
        if error.status_code == 404:
            return problem("not-found", KNOWN["not-found"], KNOWN["not-found"].title, correlation_id)
        answer = problem(None, Known(error.status_code, str(error.detail)), str(error.detail), correlation_id)
        answer.headers.update(error.headers or {})
        return answer

    return application
