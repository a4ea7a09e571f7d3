"""From a signed-in request to the context of one operation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from resolvers.access import scope_of
from resolvers.context import Context
from resolvers.principal import Principal
from server.settings import Settings


@asynccontextmanager
async def operation(app: Starlette, principal: Principal) -> AsyncIterator[Context]:
    """Lend the context of one operation; its snapshot ends with the block."""
    settings: Settings = app.state.settings
    async with app.state.database.snapshot() as snapshot:
        yield Context(
            principal=principal,
            scope=scope_of(principal, settings.member_access),
            db=snapshot,
            max_page_size=settings.max_page_size,
        )
