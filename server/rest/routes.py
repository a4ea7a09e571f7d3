"""The routes of the read endpoints, below both base paths."""

from __future__ import annotations

from starlette.routing import BaseRoute

from server.gate import BASE_PATHS
from server.rest import browse, interceptions, openapi, session, sessions, values
from server.rest.endpoint import ReadRoute

ENDPOINTS = (
    interceptions.ENDPOINT,
    sessions.ENDPOINT,
    session.ENDPOINT,
    values.MODELS,
    values.CLIENTS,
)


def routes() -> list[BaseRoute]:
    """Return them; what they do not take below the base paths is for the passthrough."""
    return [
        *(ReadRoute(base, ENDPOINTS) for base in BASE_PATHS),
        *openapi.routes(),
        *browse.routes(),
    ]
