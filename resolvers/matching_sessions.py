"""Sessions as REST tells of them: by those of their interceptions that pass a filter."""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

from db.filters import Filter
from db.keyset import Keyset, SortKey
from db.queries import matching_sessions, sessions
from db.rows import MatchingSessionRow, SessionRow
from resolvers.context import Context

# Start of the first interception that passes, end of the last one, and how many thread roots pass;
# a session of which all pass tells them itself.
Figures: TypeAlias = SessionRow | MatchingSessionRow


async def page(ctx: Context, filter_: Filter, window: Keyset) -> list[tuple[SessionRow, Figures]]:
    """Return a window of the sessions that the caller may read and that pass, newest first."""
    if ctx.reads_nothing:
        return []
    if matching_sessions.takes_whole_sessions(filter_):
        read = ctx.reading(SessionRow)
        rows = await sessions.page(ctx.db, ctx.reader, filter_, window, read=read)
        return list(zip(rows, rows, strict=True))
    keys = await matching_sessions.page(ctx.db, ctx.reader, filter_, window)
    # A row tells of the whole session, and here some of its figures are wanted for a part of it.
    read = ctx.reading(SessionRow).untold()
    found = await sessions.by_keys(ctx.db, ctx.reader, keys, read)
    figures = await matching_sessions.figures(ctx.db, filter_, keys)
    return [(found[key], figures[key]) for key in keys]


async def position(
    ctx: Context, filter_: Filter, session_id: str, initiator_id: UUID | None
) -> SortKey | None:
    """Return where a session that the caller may read stands in the list of those that pass.

    Where several initiators share the session id and none is given, the first in list order is
    meant. None where there is no such session.
    """
    if ctx.reads_nothing:
        return None
    return await matching_sessions.position(ctx.db, ctx.reader, filter_, session_id, initiator_id)
