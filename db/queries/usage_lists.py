"""SQL for the lists of all tool usages and of all user prompts, newest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import sqlalchemy as sa

from db import filters, keyset
from db.database import Snapshot
from db.filters import Filter, Shape, ToolUsageCriteria, UserPromptCriteria
from db.keyset import Keyset
from db.models import interceptions, tool_usages, user_prompts
from db.queries import columns, prompt_search, scope
from db.queries.columns import ALL_READ, Unread
from db.rows import ToolUsageRow, UserPromptRow
from db.statement import Statement

Row = TypeVar("Row")


# Which criteria are given: on the usage, and on its interception.
UsageShape: TypeAlias = tuple[Shape, tuple[Shape, ...]]


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Which usages are meant: criteria on the usage itself, and on its interception."""

    criteria: ToolUsageCriteria | UserPromptCriteria
    interceptions: Filter

    def shape(self) -> UsageShape:
        """Return which criteria are given, for building a statement."""
        return frozenset(self.criteria.given()), self.interceptions.shape()


@dataclass(frozen=True, slots=True)
class _List:
    row: type[Any]
    table: sa.Table
    conditions: Callable[[Shape, Any], list[sa.ColumnElement[bool]]]


_LISTS: Mapping[type, _List] = {
    ToolUsageRow: _List(ToolUsageRow, tool_usages, filters.of_tool_usages),
    UserPromptRow: _List(UserPromptRow, user_prompts, filters.of_user_prompts),
}


async def page(
    db: Snapshot,
    row: type[Row],
    reader: UUID | None,
    filter_: UsageFilter,
    window: Keyset,
    unread: Unread = ALL_READ,
) -> list[Row]:
    """Return a window of the usages that pass, newest first: (created_at, id) descending.

    Args:
        db: Where to read.
        row: `ToolUsageRow` or `UserPromptRow`.
        reader: The only initiator whose rows are seen; None for all.
        filter_: Which usages are meant.
        window: Which part of the list.
        unread: Columns to leave out.
    """
    filter_ = await _planned(db, reader, filter_)
    statement = _page(_LISTS[row], filter_.shape(), reader is not None, window.shape(), unread)
    records = await db.fetch(statement, window.parameters() | _parameters(filter_, reader))
    return [row(*record) for record in records]


@lru_cache(columns.VARIANTS)
def _page(
    list_: _List, shape: UsageShape, scoped: bool, window: keyset.Shape, unread: Unread
) -> Statement:
    table = list_.table
    select = sa.select(*columns.of(list_.row, table, unread=unread))
    select = _matching(select, list_, shape, scoped=scoped)
    order = (table.c.created_at, table.c.id)
    return Statement.of(keyset.windowed(select, window, order, descending=True))


async def count(db: Snapshot, row: type[Any], reader: UUID | None, filter_: UsageFilter) -> int:
    """Return how many usages pass."""
    filter_ = await _planned(db, reader, filter_, for_count=True)
    statement = _count(_LISTS[row], filter_.shape(), reader is not None)
    rows = await db.fetch(statement, _parameters(filter_, reader))
    return int(rows[0][0])


@cache
def _count(list_: _List, shape: UsageShape, scoped: bool) -> Statement:
    return Statement.of(_matching(sa.select(sa.func.count()), list_, shape, scoped=scoped))


def _matching(
    select: sa.Select[Any], list_: _List, shape: UsageShape, *, scoped: bool
) -> sa.Select[Any]:
    table = list_.table
    i = interceptions.alias("i")
    of_usage, of_interception = shape
    conditions = [
        *filters.visible(i, scoped),
        *filters.of_interceptions(of_interception, i),
        *list_.conditions(of_usage, table),
    ]
    if "initiator_id" in of_usage:
        conditions.append(i.c.initiator_id == sa.bindparam("u_initiator_id", type_=sa.Uuid))
    return select.select_from(table).join(i, i.c.id == table.c.interception_id).where(*conditions)


async def _planned(
    db: Snapshot, reader: UUID | None, filter_: UsageFilter, *, for_count: bool = False
) -> UsageFilter:
    """Return the same filter, with prompts looked up by an index where that is faster."""
    criteria = filter_.criteria
    if isinstance(criteria, UserPromptCriteria):
        criteria = await prompt_search.of_criteria(db, reader, criteria, for_count=for_count)
    of_interceptions = filter_.interceptions
    planned = await prompt_search.planned(db, reader, of_interceptions, for_count=for_count)
    return UsageFilter(criteria, planned)


def _parameters(filter_: UsageFilter, reader: UUID | None) -> dict[str, Any]:
    return (
        filters.parameters(filter_.criteria)
        | filter_.interceptions.parameters()
        | scope.parameters(reader)
    )
