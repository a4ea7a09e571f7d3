"""From a signed-in request to the context of one operation."""

from __future__ import annotations

from types import TracebackType

from starlette.applications import Starlette

from resolvers.access import scope_of
from resolvers.context import Context
from resolvers.principal import Principal
from server.settings import Settings


class operation:  # noqa: N801 (it is used like the functions of contextlib)
    """Lend the context of one operation; its snapshot ends with the block."""

    __slots__ = ("_context",)

    def __init__(self, app: Starlette, principal: Principal) -> None:
        settings: Settings = app.state.settings
        self._context = Context(
            principal=principal,
            scope=scope_of(principal, settings.member_access),
            db=app.state.database.snapshot(),
            max_page_size=settings.max_page_size,
        )

    async def __aenter__(self) -> Context:
        return self._context

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._context.db.__aexit__(exc_type, exc, traceback)
