"""The gate before the product's routes: shut, it answers before anything else is looked at."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from server.errors import ErrorResponse

# Both names of the REST interface and passthrough, and GraphQL.
BASE_PATHS = ("/api/v2/aibridge", "/api/v2/ai-gateway")
GRAPHQL_PATH = "/graphql"

_SHUT = "AI Bridge is not enabled for this deployment."


class ShutGate:
    """Refuses every request below the product's paths (AIBRIDGE_ENABLED=false)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what is ours, let through what is not."""
        if scope["type"] == "lifespan" or not _is_ours(scope["path"]):
            await self._app(scope, receive, send)
            return
        await ErrorResponse(403, _SHUT)(scope, receive, send)


def _is_ours(path: str) -> bool:
    return any(path == base or path.startswith(f"{base}/") for base in (*BASE_PATHS, GRAPHQL_PATH))
