"""Sessions as REST tells of them: by those of their interceptions that pass a filter."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from db.filters import Filter
from db.keyset import Keyset, SortKey
from db.queries import matching_sessions, sessions
from db.rows import SessionKey, SessionRow
from resolvers.context import Context


class MatchingSession(NamedTuple):
    """A session of a filtered list; of a row that tells all of itself the row is all there is.

    Attributes:
        row: The whole session.
        started_at: The start of its first interception that passes.
        ended_at: The end of its last one that passes.
        thread_count: How many thread roots pass.
    """

    row: SessionRow
    started_at: datetime
    ended_at: datetime
    thread_count: int


async def page(ctx: Context, filter_: Filter, window: Keyset) -> list[MatchingSession]:
    """Return a window of the sessions that the caller may read and that pass, newest first."""
    if ctx.reads_nothing:
        return []
    if matching_sessions.takes_whole_sessions(filter_):
        read = ctx.reading(SessionRow)
        rows = await sessions.page(ctx.db, ctx.reader, filter_, window, read=read)
        return [MatchingSession(r, r.started_at, r.ended_at, r.thread_count) for r in rows]
    keys = await matching_sessions.page(ctx.db, ctx.reader, filter_, window)
    return await _matching(ctx, filter_, keys)


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


async def _matching(
    ctx: Context, filter_: Filter, keys: Sequence[SessionKey]
) -> list[MatchingSession]:
    # A row tells of the whole session, and here some of its figures are wanted for a part of it.
    read = ctx.reading(SessionRow).untold()
    rows = await sessions.by_keys(ctx.db, ctx.reader, keys, read)
    figures = await matching_sessions.figures(ctx.db, filter_, keys)
    return [
        MatchingSession(rows[key], each.started_at, each.ended_at, each.thread_count)
        for key in keys
        for each in (figures[key],)
    ]
