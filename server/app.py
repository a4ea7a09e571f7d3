"""The application: routes, what wraps them, and what lives as long as the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from db.database import Database
from db.errors import DatabaseError
from resolvers.errors import ApiError
from schema.build import graphql_core, schema
from server import errors, graphiql, health, metrics, signin
from server.dates import DateMiddleware
from server.gate import GRAPHQL_PATH, ShutGate
from server.graphql.endpoint import GraphQLEndpoint
from server.keys import Keys, LastUsed
from server.logs import RequestLogMiddleware
from server.proxy.handler import Passthrough
from server.readiness import Readiness
from server.rest import routes as rest
from server.retention import Retention, policy
from server.settings import Settings

# As people type it, too.
_GRAPHQL_PATHS = (GRAPHQL_PATH, f"{GRAPHQL_PATH}/")

# Connections to a primary that is not read: for `last_used`, and for the retention.
_WRITERS = 2


class Application(Starlette):
    """Starlette, with `/graphql` in front of the router.

    The endpoint matches no pattern and answers for all its errors itself, so what Starlette does
    for other routes would only take time: a third of that of the smallest operation.
    """

    def __init__(self, graphql: ASGIApp, **options: Any) -> None:
        super().__init__(**options)
        self.graphql = graphql

    def build_middleware_stack(self) -> ASGIApp:
        """Fold the middleware around the endpoint and the router, outermost first in the list."""
        app: ASGIApp = self._fork
        for cls, args, kwargs in reversed(self.user_middleware):
            app = cls(app, *args, **kwargs)
        self._others = ExceptionMiddleware(self.router, handlers=self.exception_handlers)
        return app

    async def _fork(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_graphql = scope["type"] == "http" and scope["path"] in _GRAPHQL_PATHS
        await (self.graphql if is_graphql else self._others)(scope, receive, send)


def create_app(settings: Settings) -> Application:
    """Return the application; `settings.database_url` must be set."""
    passthrough = Passthrough(settings)
    app = Application(
        GraphQLEndpoint(graphql_core(schema), settings),
        # The passthrough comes last: it takes what no other route below its paths does.
        routes=[*_routes(settings), *passthrough.routes()],
        middleware=[
            Middleware(DateMiddleware),
            *([Middleware(metrics.Counted)] if settings.metrics else []),
            Middleware(RequestLogMiddleware),
            *_cross_origin(settings),
            *([] if settings.enabled else [Middleware(ShutGate)]),
        ],
        exception_handlers={
            ApiError: errors.on_api_error,
            DatabaseError: errors.on_database_error,
            HTTPException: errors.on_http_exception,
        },
        lifespan=_lifespan,
    )
    app.state.settings = settings
    app.state.passthrough = passthrough
    return app


def _cross_origin(settings: Settings) -> list[Middleware]:
    """Let the pages of trusted origins call us (CORS), where the settings name any."""
    if not settings.trusted_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=sorted(settings.trusted_origins),
            allow_credentials=True,
            allow_methods=["GET", "POST"],
            allow_headers=[
                "Authorization",
                "Coder-Session-Token",
                "Content-Type",
                "X-Cost",
                "X-Explain",
            ],
            # What a page needs beside the answer: where the next page is, when to try again.
            expose_headers=["Deprecation", "Link", "Retry-After"],
        )
    ]


def _routes(settings: Settings) -> list[BaseRoute]:
    return [
        # The most frequent first: the router tries one after the other.
        *rest.routes(),
        *health.routes(settings),
        *graphiql.routes(),
        *signin.routes(),
        *metrics.routes(settings),
    ]


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    assert settings.database_url is not None, "serve fills in the embedded database's URL"
    replica = settings.read_database_url
    primary = await _open(settings, settings.database_url, _WRITERS if replica else None)
    database = await _open(settings, replica) if replica else primary
    app.state.database = database
    app.state.keys = Keys(database)
    app.state.last_used = LastUsed(primary)
    app.state.readiness = Readiness(
        database, settings.database_url.get_secret_value(), migrate=bool(settings.auto_migrate)
    )
    await app.state.readiness.start()
    retention = Retention(primary, app.state.readiness, policy(settings))
    retention.start()
    try:
        # A second Ctrl-C cancels what still runs, this too: all is closed as at any other stop.
        async with app.state.passthrough.running():
            with suppress(asyncio.CancelledError):
                yield
    finally:
        await retention.stop()
        await app.state.readiness.stop()
        await app.state.last_used.close()
        await primary.close()
        if database is not primary:
            await database.close()


async def _open(settings: Settings, url: SecretStr, pool_size: int | None = None) -> Database:
    return await Database.open(
        url.get_secret_value(),
        pool_size=pool_size or settings.pool_size,
        acquire_timeout=settings.pool_timeout,
        statement_timeout=settings.operation_timeout,
        statement_cache_size=settings.statement_cache_size,
        is_attached=settings.attach,
    )
