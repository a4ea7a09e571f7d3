"""Interceptions: the list of them, look-ups by id, and those of sessions and threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from db.filters import Filter
from db.keyset import Keyset
from db.queries import interceptions
from db.rows import AgenticActionRow, InterceptionRow, SessionKey
from resolvers import filtering, sessions, threads
from resolvers.asking import Ask
from resolvers.context import Context
from resolvers.errors import ApiError
from resolvers.filtering import Wanted
from resolvers.paging import (
    Ordering,
    Page,
    PageArgs,
    keyset_of,
    page_of,
    pages_of,
    window,
)


@dataclass(frozen=True, slots=True)
class InterceptionList:
    """One list of interceptions and the page of it that is wanted."""

    page: PageArgs
    wanted: Wanted = filtering.ALL


def _ordering(name: str) -> Ordering[InterceptionRow]:
    return Ordering(name, (datetime, UUID), lambda row: (row.started_at, row.id))


_NEWEST = _ordering("interceptions")
_OF_SESSION = _ordering("session/interceptions")
_OF_THREAD = _ordering("thread/interceptions")


async def pages(
    ctx: Context, lists: Sequence[InterceptionList], _args: None = None
) -> list[Page[InterceptionRow] | ApiError]:
    """Return the page that is wanted of each list, newest first."""
    return [await _page_or_error(ctx, wanted) for wanted in lists]


async def _page_or_error(
    ctx: Context, wanted: InterceptionList
) -> Page[InterceptionRow] | ApiError:
    try:
        filter_ = await filtering.filter_of(ctx, wanted.wanted)
        view = window(wanted.page, _NEWEST, filter_, ctx.max_page_size)
    except ApiError as error:
        return error
    rows = []
    if not ctx.reads_nothing:
        rows = await interceptions.page(
            ctx.db, ctx.reader, filter_, keyset_of(view), ctx.reading(InterceptionRow)
        )
    return page_of(rows, view, _NEWEST, filter_, partial(Ask, counts))


async def of_window(ctx: Context, filter_: Filter, window: Keyset) -> list[InterceptionRow]:
    """Return a window of the interceptions that the caller may read and that pass, newest first."""
    if ctx.reads_nothing:
        return []
    read = ctx.reading(InterceptionRow)
    return await interceptions.page(ctx.db, ctx.reader, filter_, window, read)


async def counts(ctx: Context, filters: Sequence[Filter], _args: None = None) -> list[int]:
    """Return how many interceptions pass each filter."""
    if ctx.reads_nothing:
        return [0] * len(filters)
    return [await interceptions.count(ctx.db, ctx.reader, filter_) for filter_ in filters]


async def by_ids(
    ctx: Context, ids: Sequence[UUID], _args: None = None
) -> list[InterceptionRow | None]:
    """Return the interceptions with these ids that the caller may read."""
    if ctx.reads_nothing:
        return [None] * len(ids)
    found = await interceptions.by_ids(ctx.db, ctx.reader, ids, ctx.reading(InterceptionRow))
    return [found.get(interception_id) for interception_id in ids]


async def of_sessions(
    ctx: Context, keys: Sequence[SessionKey], args: PageArgs
) -> list[Page[InterceptionRow] | ApiError]:
    """Return one page of each session's interceptions, oldest first."""
    read = ctx.reading(InterceptionRow)
    return await pages_of(
        keys,
        args,
        ctx.max_page_size,
        _OF_SESSION,
        lambda keys, window: interceptions.page_of_sessions(ctx.db, keys, window, read),
        lambda key: Ask(sessions.summaries, key, then="interception_count"),
    )


async def of_threads(
    ctx: Context, ids: Sequence[UUID], args: PageArgs
) -> list[Page[InterceptionRow] | ApiError]:
    """Return one page of each thread's interceptions, oldest first."""
    read = ctx.reading(InterceptionRow)
    return await pages_of(
        ids,
        args,
        ctx.max_page_size,
        _OF_THREAD,
        lambda ids, window: interceptions.page_of_threads(ctx.db, ids, window, read),
        lambda thread_id: Ask(threads.summaries, thread_id, then="interception_count"),
    )


async def agentic_actions_of_threads(
    ctx: Context, ids: Sequence[UUID], _args: None = None
) -> list[list[AgenticActionRow]]:
    """Return each thread's agentic actions, oldest first."""
    found = await interceptions.with_tools_of_threads(ctx.db, ids, ctx.reading(AgenticActionRow))
    return [[_agentic_action(row) for row in found.get(thread_id, ())] for thread_id in ids]


def _agentic_action(row: InterceptionRow) -> AgenticActionRow:
    # What it carries was written for the action; of the interception, other columns may be read.
    bare = row._replace(tool_usages=None, model_thoughts=None)
    return AgenticActionRow(bare, row.tool_usages, row.model_thoughts)
