"""SQL for threads: pages of sessions, look-ups by root id, and what is counted over them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache, partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from db import filters, keyset
from db.database import Snapshot
from db.keyset import Keyset
from db.models import interceptions, user_prompts
from db.queries import columns, reading, scope
from db.queries.interceptions import members_of_threads, of_session_keys, session_parameters
from db.queries.reading import Reading
from db.rows import SessionKey, ThreadRow, ThreadSummaryRow
from db.statement import Statement

_r = interceptions.alias("r")
_STARTED: Mapping[str, sa.ColumnElement[Any]] = {"root_started_at": _r.c.started_at}


async def page_of_sessions(
    db: Snapshot, keys: Sequence[SessionKey], window: Keyset, read: Reading = reading.ALL
) -> dict[SessionKey, list[ThreadRow]]:
    """Return one window of each session's threads: (started_at, id) of the roots, ascending."""
    parameters = window.parameters() | session_parameters(keys)
    rows = await reading.fetch(db, partial(_page_of_sessions, window.shape()), parameters, read)
    result: dict[SessionKey, list[ThreadRow]] = defaultdict(list)
    for record in rows:
        row = ThreadRow._make(record)
        result[row.session_key].append(row)
    return result


@lru_cache(columns.VARIANTS)
def _page_of_sessions(window: keyset.Shape, read: reading.Shape) -> Statement:
    select = sa.select(*reading.within(ThreadRow, _r, read, _STARTED)).where(
        *of_session_keys(_r), _r.c.thread_root_id.is_(None), *filters.visible(_r)
    )
    return Statement.of(
        keyset.windowed_per_parent(
            select,
            window,
            [_r.c.session_id, _r.c.initiator_id],
            (_r.c.started_at, _r.c.id),
            descending=False,
            shown=partial(reading.shown, ThreadRow, read),
        )
    )


async def by_ids(
    db: Snapshot, reader: UUID | None, ids: Sequence[UUID], read: Reading = reading.ALL
) -> dict[UUID, ThreadRow]:
    """Return the threads whose roots have these ids, by id."""
    parameters = {"ids": list(ids)} | scope.parameters(reader)
    rows = await reading.fetch(db, partial(_by_ids, reader is not None), parameters, read)
    return {row[0]: ThreadRow._make(row) for row in rows}


@lru_cache(columns.VARIANTS)
def _by_ids(scoped: bool, read: reading.Shape) -> Statement:
    found = sa.select(*reading.within(ThreadRow, _r, read, _STARTED)).where(
        _r.c.id == columns.any_uuid("ids"),
        _r.c.thread_root_id.is_(None),
        *filters.visible(_r, scoped),
    )
    return Statement.of(sa.select(*reading.shown(ThreadRow, read, found.subquery())))


async def summaries(db: Snapshot, ids: Sequence[UUID]) -> dict[UUID, ThreadSummaryRow]:
    """Return what is counted over each thread's interceptions, by id."""
    rows = await db.fetch(_summaries(), {"ids": list(ids)})
    return {thread_id: ThreadSummaryRow(*row) for thread_id, *row in rows}


@cache
def _summaries() -> Statement:
    m = members_of_threads()
    return Statement.of(
        sa.select(
            m.c.thread_id,
            sa.func.min(m.c.started_at),
            sa.func.max(m.c.ended_at),
            sa.func.count(),
        ).group_by(m.c.thread_id)
    )


async def first_prompts(db: Snapshot, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the first prompt, by (created_at, id), of each root that has one, by id."""
    rows = await db.fetch(_first_prompts(), {"ids": list(ids)})
    return {row[0]: row[1] for row in rows}


@cache
def _first_prompts() -> Statement:
    p = user_prompts
    return Statement.of(
        sa.select(p.c.interception_id, p.c.prompt)
        .where(p.c.interception_id == columns.any_uuid("ids"))
        .ext(distinct_on(p.c.interception_id))
        .order_by(p.c.interception_id, p.c.created_at, p.c.id)
    )
