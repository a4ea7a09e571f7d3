"""Probes: is the process alive, and is its database there and at the newest revision."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from server.errors import ErrorResponse
from server.readiness import Readiness
from server.settings import Settings


def routes(_: Settings) -> list[BaseRoute]:
    """Return the routes of the probes; neither needs a token."""
    return [Route("/healthz", _healthz), Route("/readyz", _readyz)]


async def _healthz(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _readyz(request: Request) -> Response:
    readiness: Readiness = request.app.state.readiness
    reason = await readiness.probe()
    if reason:
        return ErrorResponse(503, reason)
    warnings = await readiness.warnings()
    return JSONResponse({"status": "ready"} | ({"warnings": warnings} if warnings else {}))
