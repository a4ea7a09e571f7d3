"""SQL for the lists of all tool usages and of all user prompts, newest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa

from db import filters, keyset
from db.database import Snapshot
from db.filters import Criteria, Filter, Shape
from db.keyset import Keyset
from db.models import interceptions, tool_usages, user_prompts
from db.queries import columns, scope
from db.rows import ToolUsageRow, UserPromptRow
from db.statement import Statement

Row = TypeVar("Row")


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
    criteria: Criteria,
    of: Filter,
    window: Keyset,
) -> list[Row]:
    """Return a window of the usages that pass, newest first: (created_at, id) descending.

    Args:
        db: Where to read.
        row: `ToolUsageRow` or `UserPromptRow`.
        reader: The only initiator whose rows are seen; None for all.
        criteria: On the usage itself.
        of: On its interception.
        window: Which part of the list.
    """
    shape = frozenset(criteria.given())
    statement = _page(_LISTS[row], shape, of.shape(), reader is not None, window.shape())
    records = await db.fetch(statement, window.parameters() | _parameters(criteria, of, reader))
    return [row(*record) for record in records]


@cache
def _page(
    list_: _List,
    shape: Shape,
    of: tuple[Shape, ...],
    scoped: bool,
    window: keyset.Shape,
) -> Statement:
    table = list_.table
    select = _matching(sa.select(*columns.of(list_.row, table)), list_, shape, of, scoped=scoped)
    order = (table.c.created_at, table.c.id)
    return Statement.of(keyset.windowed(select, window, order, descending=True))


async def count(
    db: Snapshot, row: type[Any], reader: UUID | None, criteria: Criteria, of: Filter
) -> int:
    """Return how many usages pass."""
    statement = _count(_LISTS[row], frozenset(criteria.given()), of.shape(), reader is not None)
    rows = await db.fetch(statement, _parameters(criteria, of, reader))
    return int(rows[0][0])


@cache
def _count(list_: _List, shape: Shape, of: tuple[Shape, ...], scoped: bool) -> Statement:
    select = sa.select(sa.func.count())
    return Statement.of(_matching(select, list_, shape, of, scoped=scoped))


def _matching(
    select: sa.Select[Any], list_: _List, shape: Shape, of: tuple[Shape, ...], *, scoped: bool
) -> sa.Select[Any]:
    table = list_.table
    i = interceptions.alias("i")
    conditions = [
        *filters.visible(i, scoped),
        *filters.of_interceptions(of, i),
        *list_.conditions(shape, table),
    ]
    if "initiator_id" in shape:
        conditions.append(i.c.initiator_id == sa.bindparam("u_initiator_id", type_=sa.Uuid))
    return select.select_from(table).join(i, i.c.id == table.c.interception_id).where(*conditions)


def _parameters(criteria: Criteria, of: Filter, reader: UUID | None) -> dict[str, Any]:
    return filters.parameters(criteria) | of.parameters() | scope.parameters(reader)
