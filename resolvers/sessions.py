"""Sessions: the list of them, look-ups by key, and what is told of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import partial
from uuid import UUID

from db.filters import Filter
from db.keyset import Keyset
from db.queries import sessions, usages
from db.queries.sessions.plan import Order
from db.rows import SessionKey, SessionRow, SessionSummaryRow
from resolvers import filtering, search, users
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


class SessionOrder(Enum):
    """The orders of the list of sessions."""

    STARTED_AT_DESC = "STARTED_AT_DESC"
    STARTED_AT_ASC = "STARTED_AT_ASC"
    LAST_ACTIVE_AT_DESC = "LAST_ACTIVE_AT_DESC"


@dataclass(frozen=True, slots=True)
class SessionList:
    """One list of sessions and the page of it that is wanted."""

    page: PageArgs
    wanted: Wanted = filtering.ALL
    order: SessionOrder = SessionOrder.STARTED_AT_DESC


@dataclass(frozen=True, slots=True)
class SessionName:
    """A session as callers name it: by session id and, where several share it, by initiator."""

    session_id: str
    initiator: str | None = None


_ORDERS: dict[SessionOrder, Order] = {
    SessionOrder.STARTED_AT_DESC: Order(),
    SessionOrder.STARTED_AT_ASC: Order(descending=False),
    SessionOrder.LAST_ACTIVE_AT_DESC: Order(by_activity=True),
}
# The cursors of each order; (time, session_id, initiator_id) is total.
_ORDERINGS: dict[SessionOrder, Ordering[SessionRow]] = {
    order: Ordering(
        f"sessions/{order.value}",
        (datetime, str, UUID),
        lambda row: (row.ordered_at, row.session_id, row.initiator_id),
    )
    for order in SessionOrder
}
_OF_USER: Ordering[SessionRow] = Ordering(
    "user/sessions", (datetime, str, UUID), _ORDERINGS[SessionOrder.STARTED_AT_DESC].key
)


async def pages(
    ctx: Context, lists: Sequence[SessionList], _args: None = None
) -> list[Page[SessionRow] | ApiError]:
    """Return the page that is wanted of each list."""
    return [await _page_or_error(ctx, wanted) for wanted in lists]


async def _page_or_error(ctx: Context, wanted: SessionList) -> Page[SessionRow] | ApiError:
    try:
        filter_ = await filtering.filter_of(ctx, wanted.wanted, search.SESSIONS)
        ordering = _ORDERINGS[wanted.order]
        view = window(wanted.page, ordering, filter_, ctx.max_page_size)
    except ApiError as error:
        return error
    rows = []
    if not ctx.reads_nothing:
        rows = await sessions.page(
            ctx.db,
            ctx.reader,
            filter_,
            keyset_of(view),
            _ORDERS[wanted.order],
            ctx.reading(SessionRow),
        )
    return page_of(rows, view, ordering, filter_, partial(Ask, counts))


async def counts(ctx: Context, filters: Sequence[Filter], _args: None = None) -> list[int]:
    """Return how many sessions pass each filter."""
    if ctx.reads_nothing:
        return [0] * len(filters)
    return [await sessions.count(ctx.db, ctx.reader, filter_) for filter_ in filters]


async def by_keys(
    ctx: Context, keys: Sequence[SessionKey], _args: None = None
) -> list[SessionRow | None]:
    """Return the sessions with these keys that the caller may read."""
    if ctx.reads_nothing:
        return [None] * len(keys)
    found = await sessions.by_keys(ctx.db, ctx.reader, keys, ctx.reading(SessionRow))
    return [found.get(key) for key in keys]


async def by_names(
    ctx: Context, names: Sequence[SessionName], _args: None = None
) -> list[SessionRow | ApiError | None]:
    """Return the sessions with these names; the newest where several initiators share an id."""
    if ctx.reads_nothing:
        return [None] * len(names)
    keys = await sessions.keys_by_session_ids(ctx.db, ctx.reader, [n.session_id for n in names])
    chosen = [await _choose(ctx, name, keys) for name in names]
    wanted = [key for key in chosen if isinstance(key, tuple)]
    read = ctx.reading(SessionRow)
    found = await sessions.by_keys(ctx.db, ctx.reader, wanted, read) if wanted else {}
    return [found.get(key) if isinstance(key, tuple) else key for key in chosen]


async def _choose(
    ctx: Context, name: SessionName, keys: Sequence[SessionKey]
) -> SessionKey | ApiError | None:
    same_id = [key for key in keys if key[0] == name.session_id]
    if name.initiator:
        try:
            initiator_id = await ctx.load(Ask(users.named, name.initiator))
        except ApiError as error:
            return error
        same_id = [key for key in same_id if key[1] == initiator_id]
    return same_id[0] if same_id else None


async def summaries(
    ctx: Context, keys: Sequence[SessionKey], _args: None = None
) -> list[SessionSummaryRow | None]:
    """Return what is counted and collected over each session."""
    found = await sessions.summaries(ctx.db, keys)
    return [found.get(key) for key in keys]


async def last_prompts(
    ctx: Context, prompt_ids: Sequence[UUID], _args: None = None
) -> list[str | None]:
    """Return the texts of prompts that sessions which the caller may read name as their last."""
    found = await usages.prompts_by_ids(ctx.db, prompt_ids) if prompt_ids else {}
    return [found.get(prompt_id) for prompt_id in prompt_ids]


async def of_users(
    ctx: Context, user_ids: Sequence[UUID], args: PageArgs
) -> list[Page[SessionRow] | ApiError]:
    """Return one page of each user's sessions that the caller may read, newest first."""

    async def fetch(user_ids: Sequence[UUID], window: Keyset) -> dict[UUID, list[SessionRow]]:
        if ctx.reads_nothing:
            return {}
        read = ctx.reading(SessionRow)
        return await sessions.page_of_users(ctx.db, ctx.reader, user_ids, window, read)

    return await pages_of(
        user_ids,
        args,
        ctx.max_page_size,
        _OF_USER,
        fetch,
        partial(Ask, counts_of_users),
    )


async def counts_of_users(ctx: Context, user_ids: Sequence[UUID], _args: None = None) -> list[int]:
    """Return how many sessions of each user the caller may read."""
    if ctx.reads_nothing:
        return [0] * len(user_ids)
    found = await sessions.counts_of_users(ctx.db, ctx.reader, user_ids)
    return [found.get(user_id, 0) for user_id in user_ids]
