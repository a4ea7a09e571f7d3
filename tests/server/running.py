"""The application in this process, for tests: lifespan run, asked through httpx."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from pydantic import SecretStr
from starlette.applications import Starlette

from server.app import Application, create_app
from server.settings import Settings
from tests import coder


@asynccontextmanager
async def running_app(database_url: str, **settings: Any) -> AsyncIterator[Application]:
    """Run the application on a database for the time of the block."""
    settings = {"attach": coder.IS_MEANT} | settings
    app = create_app(Settings(database_url=SecretStr(database_url), **settings))
    async with app.router.lifespan_context(app):
        yield app


@asynccontextmanager
async def client_of(app: Starlette, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Lend a client of the application; options are httpx's, headers for instance."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://testserver", **options
    ) as client:
        yield client
