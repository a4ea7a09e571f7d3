"""The lists of all tool usages and of all user prompts, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeAlias
from uuid import UUID

from db.filters import ToolUsageCriteria, UserPromptCriteria
from db.queries import usage_lists
from db.queries.usage_lists import UsageFilter
from db.rows import ToolUsageRow, UserPromptRow
from resolvers import filtering
from resolvers.asking import Ask
from resolvers.context import Context
from resolvers.errors import ApiError
from resolvers.filtering import Wanted
from resolvers.paging import Ordering, Page, PageArgs, keyset_of, page_of, window

UsageCriteria: TypeAlias = ToolUsageCriteria | UserPromptCriteria
UsageRow: TypeAlias = ToolUsageRow | UserPromptRow

# The criteria say of which kind a list is.
_ROWS: dict[type[UsageCriteria], type[UsageRow]] = {
    ToolUsageCriteria: ToolUsageRow,
    UserPromptCriteria: UserPromptRow,
}


@dataclass(frozen=True, slots=True)
class UsageList:
    """One list of usages and the page of it that is wanted.

    Attributes:
        page: The page.
        criteria: On the usage; its type says whether tool usages or user prompts are meant.
        initiator: `me`, a user id or a username, not yet looked up.
        interceptions: On the interception that the usage belongs to.
    """

    page: PageArgs
    criteria: UsageCriteria
    initiator: str | None = None
    interceptions: Wanted = filtering.ALL


_NEWEST: dict[type[UsageRow], Ordering[UsageRow]] = {
    row: Ordering(row.__name__, (datetime, UUID), lambda row: (row.created_at, row.id))
    for row in _ROWS.values()
}


async def pages(
    ctx: Context, lists: Sequence[UsageList], _args: None = None
) -> list[Page[UsageRow] | ApiError]:
    """Return the page that is wanted of each list, newest first."""
    return [await _page_or_error(ctx, wanted) for wanted in lists]


async def _page_or_error(ctx: Context, wanted: UsageList) -> Page[UsageRow] | ApiError:
    row = _ROWS[type(wanted.criteria)]
    ordering = _NEWEST[row]
    try:
        filter_ = UsageFilter(
            await filtering.with_initiator(ctx, wanted.criteria, wanted.initiator),
            await filtering.filter_of(ctx, wanted.interceptions),
        )
        view = window(wanted.page, ordering, filter_, ctx.max_page_size)
    except ApiError as error:
        return error
    rows: Sequence[UsageRow] = []
    if not ctx.reads_nothing:
        rows = await usage_lists.page(
            ctx.db, row, ctx.reader, filter_, keyset_of(view), ctx.unread(row)
        )
    return page_of(rows, view, ordering, filter_, partial(Ask, counts))


async def counts(ctx: Context, filters: Sequence[UsageFilter], _args: None = None) -> list[int]:
    """Return how many usages pass each filter."""
    if ctx.reads_nothing:
        return [0] * len(filters)
    return [
        await usage_lists.count(ctx.db, _ROWS[type(filter_.criteria)], ctx.reader, filter_)
        for filter_ in filters
    ]
