"""SQL for sessions, on the plain tables.

A session is found by its earliest interception: the one that has no earlier one beside it. With
the index (session_id, initiator_id, started_at, id) that is a probe a row, and a page ends after as
many rows as it needs; grouping all interceptions would read them all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from db import filters, keyset
from db.database import Snapshot
from db.filters import Filter
from db.keyset import Keyset
from db.models import interceptions, user_prompts
from db.queries import columns, scope, totals
from db.queries.columns import ALL_READ, Unread
from db.queries.interceptions import of_session_keys, session_parameters
from db.queries.sessions.plan import NEWEST, Order
from db.rows import SessionKey, SessionRow, SessionSummaryRow
from db.statement import Statement

_i = interceptions.alias("i")

# What an earliest interception does not know of its session, and what tells it.
_SUMMARY: Unread = frozenset(SessionSummaryRow._fields)
_ACTIVITY: Unread = frozenset({"last_active_at", "last_prompt_id"})
_TOKENS: Unread = frozenset({"token_sums"})
_UNKNOWN: Unread = frozenset({"token_metadata"})
_NO_TOKENS = ["0"] * 4


def _same_session(one: Any, other: Any) -> sa.ColumnElement[bool]:
    return sa.and_(
        one.c.session_id == other.c.session_id, one.c.initiator_id == other.c.initiator_id
    )


def _last_prompted_at() -> sa.ScalarSelect[Any]:
    other = interceptions.alias("other")
    return (
        sa.select(sa.func.max(user_prompts.c.created_at))
        .select_from(user_prompts)
        .join(other, other.c.id == user_prompts.c.interception_id)
        .where(_same_session(other, _i), *filters.visible(other))
        .correlate(_i)
        .scalar_subquery()
    )


def _columns(ordered_at: sa.ColumnElement[Any]) -> list[sa.ColumnElement[Any]]:
    others = {"ordered_at": ordered_at}
    return columns.of(SessionRow, _i, others, _SUMMARY | _ACTIVITY | _TOKENS | _UNKNOWN)


def _sessions(
    shape: tuple[filters.Shape, ...], *, scoped: bool, by_activity: bool
) -> sa.Select[Any]:
    """Return all sessions with an interception that passes, as their earliest one knows them."""
    earlier = interceptions.alias("earlier")
    is_first = ~sa.exists().where(
        _same_session(earlier, _i),
        sa.tuple_(earlier.c.started_at, earlier.c.id) < sa.tuple_(_i.c.started_at, _i.c.id),
        *filters.visible(earlier),
    )
    ordered_at = (
        sa.func.coalesce(_last_prompted_at(), _i.c.started_at) if by_activity else _i.c.started_at
    )
    select = sa.select(*_columns(ordered_at)).where(is_first, *filters.visible(_i, scoped))
    if filters.is_empty(shape):
        return select
    match = interceptions.alias("match")
    return select.where(
        sa.exists().where(
            _same_session(match, _i),
            *filters.visible(match),
            *filters.of_interceptions(shape, match),
        )
    )


async def page(
    db: Snapshot,
    reader: UUID | None,
    filter_: Filter,
    window: Keyset,
    order: Order = NEWEST,
    unread: Unread = ALL_READ,
) -> list[SessionRow]:
    """Return a window of the sessions with an interception that passes.

    They are ordered by (ordered_at, session_id, initiator_id), where `ordered_at` is the start, or
    the last activity. Leans on the indexes (started_at desc, session_id desc,
    initiator_id desc, id) and (session_id, initiator_id, started_at, id).
    """
    statement = _page(filter_.shape(), reader is not None, order, window.shape())
    rows = await db.fetch(
        statement, window.parameters() | filter_.parameters() | scope.parameters(reader)
    )
    return await _completed(db, [SessionRow(*row) for row in rows], unread)


@cache
def _page(
    shape: tuple[filters.Shape, ...],
    scoped: bool,
    order: Order,
    window: keyset.Shape,
) -> Statement:
    select = _sessions(shape, scoped=scoped, by_activity=order.by_activity)
    if order.by_activity:
        inner = select.subquery()
        select = sa.select(*inner.c)
        by = (inner.c.ordered_at, inner.c.session_id, inner.c.initiator_id)
    else:
        by = (_i.c.started_at, _i.c.session_id, _i.c.initiator_id)
    return Statement.of(keyset.windowed(select, window, by, descending=order.descending))


async def count(db: Snapshot, reader: UUID | None, filter_: Filter) -> int:
    """Return how many sessions have an interception that passes."""
    rows = await db.fetch(
        _count(filter_.shape(), reader is not None),
        filter_.parameters() | scope.parameters(reader),
    )
    return int(rows[0][0])


@cache
def _count(shape: tuple[filters.Shape, ...], scoped: bool) -> Statement:
    keys = (
        sa.select(_i.c.session_id, _i.c.initiator_id)
        .where(*filters.visible(_i, scoped), *filters.of_interceptions(shape, _i))
        .distinct()
        .subquery()
    )
    return Statement.of(sa.select(sa.func.count()).select_from(keys))


async def page_of_users(
    db: Snapshot,
    reader: UUID | None,
    user_ids: Sequence[UUID],
    window: Keyset,
    unread: Unread = ALL_READ,
) -> dict[UUID, list[SessionRow]]:
    """Return one window of each user's sessions: (started_at, session_id) descending."""
    parameters = {"user_ids": list(user_ids)} | scope.parameters(reader)
    rows = await db.fetch(
        _page_of_users(reader is not None, window.shape()), window.parameters() | parameters
    )
    result: dict[UUID, list[SessionRow]] = defaultdict(list)
    for row in await _completed(db, [SessionRow(*record) for record in rows], unread):
        result[row.initiator_id].append(row)
    return result


@cache
def _page_of_users(scoped: bool, window: keyset.Shape) -> Statement:
    select = _sessions((), scoped=scoped, by_activity=False).where(
        _i.c.initiator_id == columns.any_uuid("user_ids")
    )
    order = (_i.c.started_at, _i.c.session_id, _i.c.initiator_id)
    return Statement.of(
        keyset.windowed_per_parent(select, window, [_i.c.initiator_id], order, descending=True)
    )


async def counts_of_users(
    db: Snapshot, reader: UUID | None, user_ids: Sequence[UUID]
) -> dict[UUID, int]:
    """Return how many sessions each user has, by user id."""
    parameters = {"user_ids": list(user_ids)} | scope.parameters(reader)
    rows = await db.fetch(_counts_of_users(reader is not None), parameters)
    return {row[0]: row[1] for row in rows}


@cache
def _counts_of_users(scoped: bool) -> Statement:
    return Statement.of(
        sa.select(_i.c.initiator_id, sa.func.count(_i.c.session_id.distinct()))
        .where(_i.c.initiator_id == columns.any_uuid("user_ids"), *filters.visible(_i, scoped))
        .group_by(_i.c.initiator_id)
    )


async def by_keys(
    db: Snapshot, reader: UUID | None, keys: Sequence[SessionKey], unread: Unread = ALL_READ
) -> dict[SessionKey, SessionRow]:
    """Return the sessions with these keys, by key."""
    rows = await db.fetch(
        _by_keys(reader is not None), session_parameters(keys) | scope.parameters(reader)
    )
    found = await _completed(db, [SessionRow(*record) for record in rows], unread)
    return {row.key: row for row in found}


@cache
def _by_keys(scoped: bool) -> Statement:
    key = (_i.c.session_id, _i.c.initiator_id)
    return Statement.of(
        sa.select(*_columns(_i.c.started_at))
        .where(*of_session_keys(_i), *filters.visible(_i, scoped))
        .ext(distinct_on(*key))
        .order_by(*key, _i.c.started_at, _i.c.id)
    )


async def keys_by_session_ids(
    db: Snapshot, reader: UUID | None, session_ids: Sequence[str]
) -> list[SessionKey]:
    """Return the keys of all sessions with these ids, in list order: the newest first."""
    rows = await db.fetch(
        _keys_by_session_ids(reader is not None),
        {"session_ids": list(session_ids)} | scope.parameters(reader),
    )
    return [(row[0], row[1]) for row in rows]


@cache
def _keys_by_session_ids(scoped: bool) -> Statement:
    key = (_i.c.session_id, _i.c.initiator_id)
    started_at = sa.func.min(_i.c.started_at)
    return Statement.of(
        sa.select(*key)
        .where(_i.c.session_id == columns.any_text("session_ids"), *filters.visible(_i, scoped))
        .group_by(*key)
        .order_by(started_at.desc(), _i.c.session_id.desc(), _i.c.initiator_id.desc())
    )


async def summaries(
    db: Snapshot, keys: Sequence[SessionKey]
) -> dict[SessionKey, SessionSummaryRow]:
    """Return what is counted and collected over each session, by key."""
    rows = await db.fetch(_summaries(), session_parameters(keys))
    return {
        (session_id, initiator_id): SessionSummaryRow(
            ended_at, threads, count, sorted(providers), sorted(models)
        )
        for session_id, initiator_id, ended_at, threads, count, providers, models in rows
    }


@cache
def _summaries() -> Statement:
    key = (_i.c.session_id, _i.c.initiator_id)
    is_root = _i.c.thread_root_id.is_(None)
    return Statement.of(
        sa.select(
            *key,
            sa.func.max(_i.c.ended_at),
            sa.func.count().filter(is_root),
            sa.func.count(),
            sa.func.array_agg(_i.c.provider.distinct()),
            sa.func.array_agg(_i.c.model.distinct()),
        )
        .where(*of_session_keys(_i), *filters.visible(_i))
        .group_by(*key)
    )


async def _completed(db: Snapshot, rows: Sequence[SessionRow], unread: Unread) -> list[SessionRow]:
    """Fill in what an earliest interception does not know of its session, where it is read."""
    keys = [row.key for row in rows]
    if rows and not unread >= _SUMMARY:
        found = await summaries(db, keys)
        rows = [row._replace(**found[row.key]._asdict()) for row in rows]
    if rows and not unread >= _TOKENS:
        sums = await totals.of_sessions(db, keys)
        rows = [row._replace(token_sums=sums.get(row.key, _NO_TOKENS)) for row in rows]
    if rows and not unread >= _ACTIVITY:
        prompts = await _last_prompts_of(db, keys)
        nothing = None, None
        rows = [
            row._replace(last_active_at=prompted_at or row.started_at, last_prompt_id=prompt_id)
            for row in rows
            for prompted_at, prompt_id in (prompts.get(row.key, nothing),)
        ]
    absent: dict[str, Any] = dict.fromkeys(unread)
    return [row._replace(**absent) for row in rows] if absent else list(rows)


async def _last_prompts_of(
    db: Snapshot, keys: Sequence[SessionKey]
) -> dict[SessionKey, tuple[datetime, UUID]]:
    """Return when the newest prompt, by (created_at, id), of each session came, and its id."""
    rows = await db.fetch(_last_prompts(), session_parameters(keys))
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


@cache
def _last_prompts() -> Statement:
    key = (_i.c.session_id, _i.c.initiator_id)
    return Statement.of(
        sa.select(*key, user_prompts.c.created_at, user_prompts.c.id)
        .select_from(user_prompts)
        .join(_i, _i.c.id == user_prompts.c.interception_id)
        .where(*of_session_keys(_i), *filters.visible(_i))
        .ext(distinct_on(*key))
        .order_by(*key, user_prompts.c.created_at.desc(), user_prompts.c.id.desc())
    )
