"""SQL for token totals: each sum is defined once, taken over what it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db import filters
from db.database import Snapshot
from db.models import interceptions, token_usages
from db.queries import columns
from db.queries.interceptions import members_of_threads, of_session_keys, session_parameters
from db.rows import SessionKey, TokenTotalsRow
from db.statement import Statement

_t = token_usages

_SUMS = tuple(
    sa.func.sum(column)
    for column in (
        _t.c.input_tokens,
        _t.c.output_tokens,
        _t.c.cache_read_input_tokens,
        _t.c.cache_write_input_tokens,
    )
)

NO_TOKENS = TokenTotalsRow(0, 0, 0, 0)


async def of_interceptions(db: Snapshot, ids: Sequence[UUID]) -> dict[UUID, TokenTotalsRow]:
    """Return the sums of each interception that has token usages, by id."""
    rows = await db.fetch(_of_interceptions(metadata=False), {"ids": list(ids)})
    return {key: _totals(sums) for key, *sums in rows}


async def metadata_of_interceptions(
    db: Snapshot, ids: Sequence[UUID]
) -> list[tuple[UUID, dict[str, Any]]]:
    """Return the metadata of the interceptions' token usages, where it is not empty."""
    rows = await db.fetch(_of_interceptions(metadata=True), {"ids": list(ids)})
    return [(row[0], row[1]) for row in rows]


@cache
def _of_interceptions(*, metadata: bool) -> Statement:
    return _statement(
        sa.select(_t.c.interception_id).where(_t.c.interception_id == columns.any_uuid("ids")),
        metadata=metadata,
    )


async def of_threads(db: Snapshot, ids: Sequence[UUID]) -> dict[UUID, TokenTotalsRow]:
    """Return the sums of each thread that has token usages, by its root's id."""
    rows = await db.fetch(_of_threads(metadata=False), {"ids": list(ids)})
    return {key: _totals(sums) for key, *sums in rows}


async def metadata_of_threads(
    db: Snapshot, ids: Sequence[UUID]
) -> list[tuple[UUID, dict[str, Any]]]:
    """Return the metadata of the threads' token usages, where it is not empty."""
    rows = await db.fetch(_of_threads(metadata=True), {"ids": list(ids)})
    return [(row[0], row[1]) for row in rows]


@cache
def _of_threads(*, metadata: bool) -> Statement:
    m = members_of_threads()
    return _statement(
        sa.select(m.c.thread_id).select_from(m).join(_t, _t.c.interception_id == m.c.id),
        metadata=metadata,
    )


async def of_sessions(db: Snapshot, keys: Sequence[SessionKey]) -> dict[SessionKey, list[str]]:
    """Return the sums of each session that has token usages, as text, by key."""
    rows = await db.fetch(_of_sessions(metadata=False), session_parameters(keys))
    return {(row[0], row[1]): [str(value) for value in row[2:]] for row in rows}


async def metadata_of_sessions(
    db: Snapshot, keys: Sequence[SessionKey]
) -> list[tuple[SessionKey, dict[str, Any]]]:
    """Return the metadata of the sessions' token usages, where it is not empty."""
    rows = await db.fetch(_of_sessions(metadata=True), session_parameters(keys))
    return [((row[0], row[1]), row[2]) for row in rows]


@cache
def _of_sessions(*, metadata: bool) -> Statement:
    i = interceptions.alias("i")
    return _statement(
        sa.select(i.c.session_id, i.c.initiator_id)
        .select_from(i)
        .join(_t, _t.c.interception_id == i.c.id)
        .where(*of_session_keys(i), *filters.visible(i)),
        metadata=metadata,
    )


def _statement(keys: sa.Select[*tuple[Any, ...]], *, metadata: bool) -> Statement:
    """Complete a select of keys joined to token usages: their sums, or each one's metadata."""
    if metadata:
        has_some = _t.c.metadata != columns.EMPTY_OBJECT
        return Statement.of(keys.add_columns(_t.c.metadata).where(has_some))
    return Statement.of(keys.add_columns(*_SUMS).group_by(*keys.selected_columns))


def _totals(sums: Sequence[Any]) -> TokenTotalsRow:
    # PostgreSQL sums bigints as numeric, so that a sum never overflows.
    return TokenTotalsRow(*(int(value) for value in sums))
