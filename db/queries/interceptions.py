"""SQL for interceptions: pages of all, of sessions and of threads, and look-ups by id."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache, lru_cache, partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db import filters, keyset
from db.database import Snapshot
from db.filters import OF_KINDS, Filter
from db.keyset import Keyset
from db.models import interception_counts, interceptions, tool_usages
from db.queries import columns, prompt_search, reading, scope
from db.queries.reading import Reading
from db.rows import InterceptionRow, SessionKey
from db.statement import Statement

_i = interceptions.alias("i")
_c = interception_counts.alias("c")
_NEWEST = (_i.c.started_at, _i.c.id)

# Criteria that decide alike for all interceptions that are counted together.
_OF_COUNTS = OF_KINDS | {"initiator_id"}


def of_session_keys(table: Any) -> list[sa.ColumnElement[bool]]:
    """Return the conditions for `session_parameters`: also true for a mix of two keys' halves."""
    return [
        table.c.session_id == columns.any_text("session_ids"),
        table.c.initiator_id == columns.any_uuid("initiator_ids"),
    ]


def session_parameters(keys: Sequence[SessionKey]) -> dict[str, Any]:
    """Return the parameters of `of_session_keys`.

    Two users may share a session id, so a mix of halves can select a session that nobody asked for:
    callers pick theirs by the whole key.
    """
    return {
        "session_ids": list({session_id for session_id, _ in keys}),
        "initiator_ids": list({initiator_id for _, initiator_id in keys}),
    }


async def page(
    db: Snapshot,
    reader: UUID | None,
    filter_: Filter,
    window: Keyset,
    read: Reading = reading.ALL,
) -> list[InterceptionRow]:
    """Return a window of the interceptions that pass, newest first: (started_at, id) descending.

    Leans on the index (started_at desc, id desc), or (initiator_id, …) for one reader.
    """
    filter_ = await prompt_search.planned(db, reader, filter_)
    shape = filter_.shape()
    # What a filter means, many rows or few, is for the planner to find out each time.
    sized = filters.is_empty(shape)
    statement = partial(_page, shape, reader is not None, window.shape(sized=sized))
    parameters = window.parameters() | filter_.parameters() | scope.parameters(reader)
    rows = await reading.fetch(db, statement, parameters, read)
    return list(map(InterceptionRow._make, rows))


@lru_cache(columns.VARIANTS)
def _page(
    shape: tuple[filters.Shape, ...],
    scoped: bool,
    window: keyset.Shape,
    read: reading.Shape,
) -> Statement:
    select = sa.select(*reading.within(InterceptionRow, _i, read)).where(
        *filters.visible(_i, scoped), *filters.of_interceptions(shape, _i)
    )
    shown = partial(reading.shown, InterceptionRow, read)
    return Statement.of(keyset.windowed(select, window, _NEWEST, descending=True, shown=shown))


async def count(db: Snapshot, reader: UUID | None, filter_: Filter) -> int:
    """Return how many interceptions pass; a sum over few rows where their kinds decide that."""
    filter_ = await prompt_search.planned(db, reader, filter_, for_count=True)
    shape, scoped = filter_.shape(), reader is not None
    is_sum = all(names <= _OF_COUNTS for names in shape) and await db.has_rollup()
    statement = (_summed if is_sum else _count)(shape, scoped)
    rows = await db.fetch(statement, filter_.parameters() | scope.parameters(reader))
    return int(rows[0][0])


@cache
def _summed(shape: tuple[filters.Shape, ...], scoped: bool) -> Statement:
    conditions = [*scope.of_reader(scoped, _c), *filters.of_interceptions(shape, _c)]
    total = sa.func.coalesce(sa.func.sum(_c.c.interceptions), 0)
    return Statement.of(sa.select(sa.cast(total, sa.BigInteger)).where(*conditions))


@cache
def _count(shape: tuple[filters.Shape, ...], scoped: bool) -> Statement:
    return Statement.of(
        sa.select(sa.func.count())
        .select_from(_i)
        .where(*filters.visible(_i, scoped), *filters.of_interceptions(shape, _i))
    )


async def by_ids(
    db: Snapshot,
    reader: UUID | None,
    ids: Sequence[UUID],
    read: Reading = reading.ALL,
) -> dict[UUID, InterceptionRow]:
    """Return the interceptions with these ids, by id."""
    parameters = {"ids": list(ids)} | scope.parameters(reader)
    rows = await reading.fetch(db, partial(_by_ids, reader is not None), parameters, read)
    return {row[0]: InterceptionRow._make(row) for row in rows}


@lru_cache(columns.VARIANTS)
def _by_ids(scoped: bool, read: reading.Shape) -> Statement:
    found = sa.select(*reading.within(InterceptionRow, _i, read)).where(
        _i.c.id == columns.any_uuid("ids"), *filters.visible(_i, scoped)
    )
    return Statement.of(sa.select(*reading.shown(InterceptionRow, read, found.subquery())))


async def page_of_sessions(
    db: Snapshot,
    keys: Sequence[SessionKey],
    window: Keyset,
    read: Reading = reading.ALL,
) -> dict[SessionKey, list[InterceptionRow]]:
    """Return one window of each session's interceptions: (started_at, id) ascending."""
    parameters = window.parameters() | session_parameters(keys)
    rows = await reading.fetch(db, partial(_page_of_sessions, window.shape()), parameters, read)
    result: dict[SessionKey, list[InterceptionRow]] = defaultdict(list)
    for record in rows:
        row = InterceptionRow._make(record)
        result[row.session_key].append(row)
    return result


@lru_cache(columns.VARIANTS)
def _page_of_sessions(window: keyset.Shape, read: reading.Shape) -> Statement:
    select = sa.select(*reading.within(InterceptionRow, _i, read)).where(
        *of_session_keys(_i), *filters.visible(_i)
    )
    return Statement.of(
        keyset.windowed_per_parent(
            select,
            window,
            [_i.c.session_id, _i.c.initiator_id],
            _NEWEST,
            descending=False,
            shown=partial(reading.shown, InterceptionRow, read),
        )
    )


def members_of_threads() -> sa.Subquery:
    """Return the interceptions of the threads `ids`, with the column `thread_id`.

    A thread's interceptions are its root and those that name it as their root; all ended, all of
    the root's session and initiator. Two index look-ups joined by UNION ALL: an OR of the two
    conditions makes PostgreSQL walk the whole table.
    """
    root = interceptions.alias("root")
    child = interceptions.alias("child")
    is_root = (
        root.c.id == columns.any_uuid("ids"),
        root.c.thread_root_id.is_(None),
        *filters.visible(root),
    )
    roots = sa.select(root.c.id.label("thread_id"), *root.c).where(*is_root)
    children = (
        sa.select(root.c.id.label("thread_id"), *child.c)
        .select_from(root)
        .join(
            child,
            sa.and_(
                child.c.thread_root_id == root.c.id,
                child.c.session_id == root.c.session_id,
                child.c.initiator_id == root.c.initiator_id,
            ),
        )
        .where(*is_root, *filters.visible(child))
    )
    return roots.union_all(children).subquery("m")


async def page_of_threads(
    db: Snapshot,
    ids: Sequence[UUID],
    window: Keyset,
    read: Reading = reading.ALL,
) -> dict[UUID, list[InterceptionRow]]:
    """Return one window of each thread's interceptions: (started_at, id) ascending."""
    parameters = window.parameters() | {"ids": list(ids)}
    statement = partial(_page_of_threads, window.shape())
    return _by_thread(await reading.fetch(db, statement, parameters, read))


@lru_cache(columns.VARIANTS)
def _page_of_threads(window: keyset.Shape, read: reading.Shape) -> Statement:
    m = members_of_threads()
    select = sa.select(m.c.thread_id, *reading.within(InterceptionRow, m, read))
    return Statement.of(
        keyset.windowed_per_parent(
            select,
            window,
            [m.c.thread_id],
            (m.c.started_at, m.c.id),
            descending=False,
            shown=partial(_of_thread, read),
        )
    )


async def with_tools_of_threads(
    db: Snapshot, ids: Sequence[UUID], read: Reading = reading.ALL
) -> dict[UUID, list[InterceptionRow]]:
    """Return each thread's interceptions that made a tool call: (started_at, id) ascending."""
    return _by_thread(await reading.fetch(db, _with_tools_of_threads, {"ids": list(ids)}, read))


@lru_cache(columns.VARIANTS)
def _with_tools_of_threads(read: reading.Shape) -> Statement:
    m = members_of_threads()
    used = sa.exists().where(tool_usages.c.interception_id == m.c.id)
    found = sa.select(m.c.thread_id, *reading.within(InterceptionRow, m, read)).where(used)
    rows = found.subquery()
    return Statement.of(sa.select(*_of_thread(read, rows)).order_by(rows.c.started_at, rows.c.id))


def _of_thread(read: reading.Shape, rows: sa.Subquery) -> list[sa.ColumnElement[Any]]:
    return [rows.c.thread_id, *reading.shown(InterceptionRow, read, rows)]


def _by_thread(rows: Sequence[Any]) -> dict[UUID, list[InterceptionRow]]:
    result: dict[UUID, list[InterceptionRow]] = defaultdict(list)
    for row in rows:
        result[row[0]].append(InterceptionRow._make(row[1:]))
    return result
