"""Threads: look-ups by id, those of sessions, and what is told of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from db.keyset import Keyset
from db.queries import threads
from db.rows import SessionKey, ThreadRow, ThreadSummaryRow
from resolvers import sessions
from resolvers.asking import Ask
from resolvers.context import Context
from resolvers.errors import ApiError
from resolvers.paging import (
    Ordering,
    Page,
    PageArgs,
    pages_of,
)

_OF_SESSION: Ordering[ThreadRow] = Ordering(
    "session/threads", (datetime, UUID), lambda row: (row.root_started_at, row.id)
)


async def of_sessions(
    ctx: Context, keys: Sequence[SessionKey], args: PageArgs
) -> list[Page[ThreadRow] | ApiError]:
    """Return one page of each session's threads, oldest first."""
    read = ctx.reading(ThreadRow)
    return await pages_of(
        keys,
        args,
        ctx.max_page_size,
        _OF_SESSION,
        lambda keys, window: threads.page_of_sessions(ctx.db, keys, window, read),
        lambda key: Ask(sessions.summaries, key, then="thread_count"),
    )


async def window_of_session(ctx: Context, key: SessionKey, window: Keyset) -> list[ThreadRow]:
    """Return a window of one session's threads, oldest first."""
    rows = (await threads.page_of_sessions(ctx.db, [key], window)).get(key, [])
    return rows[::-1] if window.backward else rows


async def by_ids(ctx: Context, ids: Sequence[UUID], _args: None = None) -> list[ThreadRow | None]:
    """Return the threads with these ids that the caller may read."""
    if ctx.reads_nothing:
        return [None] * len(ids)
    found = await threads.by_ids(ctx.db, ctx.reader, ids, ctx.reading(ThreadRow))
    return [found.get(thread_id) for thread_id in ids]


async def of_interceptions(
    ctx: Context, keys: Sequence[tuple[UUID, SessionKey]], _args: None = None
) -> list[ThreadRow | None]:
    """Return each interception's thread; the keys bring the root's id and the own session.

    An interception under another session id than its root belongs to no thread, and so does one
    whose root is missing or in flight.
    """
    ids = [root_id for root_id, _ in keys]
    found = await threads.by_ids(ctx.db, ctx.reader, ids, ctx.reading(ThreadRow))
    return [
        thread
        if (thread := found.get(root_id)) is not None and thread.session_key == session_key
        else None
        for root_id, session_key in keys
    ]


async def summaries(
    ctx: Context, ids: Sequence[UUID], _args: None = None
) -> list[ThreadSummaryRow | None]:
    """Return what is counted over each thread's interceptions."""
    found = await threads.summaries(ctx.db, ids)
    return [found.get(thread_id) for thread_id in ids]


async def prompts(ctx: Context, ids: Sequence[UUID], _args: None = None) -> list[str | None]:
    """Return the first prompt of each thread's root; None where it has none."""
    found = await threads.first_prompts(ctx.db, ids)
    return [found.get(thread_id) for thread_id in ids]
