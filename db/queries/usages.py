"""SQL for what interceptions used: tokens, prompts, tools, thoughts; by interception, by id."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa

from db import filters
from db.database import Snapshot
from db.models import (
    interceptions,
    model_thoughts,
    token_usages,
    tool_usages,
    user_prompts,
)
from db.queries import columns, scope
from db.queries.columns import ALL_READ, Unread
from db.rows import ModelThoughtRow, TokenUsageRow, ToolUsageRow, UserPromptRow
from db.statement import Statement

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class _Kind:
    row: type[Any]
    table: sa.Table


_KINDS: dict[type, _Kind] = {
    kind.row: kind
    for kind in (
        _Kind(TokenUsageRow, token_usages),
        _Kind(UserPromptRow, user_prompts),
        _Kind(ToolUsageRow, tool_usages),
        _Kind(ModelThoughtRow, model_thoughts),
    )
}


async def by_interceptions(
    db: Snapshot, row: type[Row], interception_ids: Sequence[UUID], unread: Unread = ALL_READ
) -> dict[UUID, list[Row]]:
    """Return what each interception used of one kind, oldest first: (created_at, id) ascending.

    Leans on the index (interception_id, created_at, id) of each table. Thoughts have no id: equal
    times keep the order in which they were written.
    """
    records = await db.fetch(
        _by_interceptions(_KINDS[row], unread), {"ids": list(interception_ids)}
    )
    result: dict[UUID, list[Row]] = defaultdict(list)
    for record in records:
        found: Any = row(*record)
        result[found.interception_id].append(found)
    return result


@lru_cache(columns.VARIANTS)
def _by_interceptions(kind: _Kind, unread: Unread) -> Statement:
    table = kind.table
    last: Any = sa.literal_column("ctid") if table is model_thoughts else table.c.id
    return Statement.of(
        sa.select(*columns.of(kind.row, table, unread=unread))
        .where(table.c.interception_id == columns.any_uuid("ids"))
        .order_by(table.c.created_at, last)
    )


async def by_ids(
    db: Snapshot,
    row: type[Row],
    reader: UUID | None,
    ids: Sequence[UUID],
    unread: Unread = ALL_READ,
) -> dict[UUID, Row]:
    """Return the usages of one kind with these ids, by id; only those of visible interceptions."""
    records = await db.fetch(
        _by_ids(_KINDS[row], unread, reader is not None),
        {"ids": list(ids)} | scope.parameters(reader),
    )
    return {record["id"]: row(*record) for record in records}


@lru_cache(columns.VARIANTS)
def _by_ids(kind: _Kind, unread: Unread, scoped: bool) -> Statement:
    table = kind.table
    i = interceptions.alias("i")
    return Statement.of(
        sa.select(*columns.of(kind.row, table, unread=unread))
        .select_from(table)
        .join(i, i.c.id == table.c.interception_id)
        .where(table.c.id == columns.any_uuid("ids"), *filters.visible(i, scoped))
    )


async def prompts_by_ids(db: Snapshot, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the texts of the prompts with these ids, by id."""
    rows = await db.fetch(_prompts_by_ids(), {"ids": list(ids)})
    return {row[0]: row[1] for row in rows}


@cache
def _prompts_by_ids() -> Statement:
    p = user_prompts
    return Statement.of(sa.select(p.c.id, p.c.prompt).where(p.c.id == columns.any_uuid("ids")))
