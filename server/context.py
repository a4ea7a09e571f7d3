"""From a signed-in request to the context of one operation."""

from __future__ import annotations

from starlette.applications import Starlette

from resolvers.access import scope_of
from resolvers.context import Context
from resolvers.principal import Principal
from server.settings import Settings


def context_of(app: Starlette, principal: Principal) -> Context:
    """Return the context of one operation; the operation runs within `async with` its `db`."""
    settings: Settings = app.state.settings
    return Context(
        principal=principal,
        scope=scope_of(principal, settings.member_access),
        db=app.state.database.snapshot(),
        max_page_size=settings.max_page_size,
    )
