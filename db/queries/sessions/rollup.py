"""SQL for sessions on the rollup that the database keeps: a row for each session."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache, lru_cache, partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db import keyset
from db.database import Snapshot
from db.filters import OF_KINDS, Filter
from db.keyset import Keyset
from db.queries import columns, own, reading, scope, writing
from db.queries.interceptions import session_parameters
from db.queries.reading import Reading
from db.queries.sessions import counts
from db.queries.sessions.passing import SESSIONS, passing
from db.queries.sessions.plan import Listing
from db.rows import SessionKey, SessionRow, SessionSummaryRow
from db.statement import Statement

_s = SESSIONS
_ORDER = (_s.c.started_at, _s.c.session_id, _s.c.initiator_id)
_BY_ACTIVITY = (_s.c.last_active_at, _s.c.session_id, _s.c.initiator_id)


def _columns(
    read: reading.Shape, ordered_at: sa.ColumnElement[Any] = _s.c.started_at
) -> list[sa.ColumnElement[Any]]:
    sums = [_s.c[name] for name in own.TOKEN_SUMS]
    others = {
        "ordered_at": ordered_at,
        "thread_count": _s.c.threads,
        "interception_count": _s.c.interceptions,
        "token_sums": sa.null() if read.is_told else columns.as_texts(sums),
        "token_metadata": writing.integers(_s.c.token_metadata),
    }
    return reading.within(SessionRow, _s, read, others) + (sums if read.is_told else [])


async def page(
    db: Snapshot,
    reader: UUID | None,
    filter_: Filter,
    window: Keyset,
    listing: Listing,
    read: Reading = reading.ALL,
) -> list[SessionRow]:
    """Return a window of the sessions that pass.

    Leans on the indexes (started_at desc, …), (initiator_id, started_at desc, …),
    (last_active_at desc, …), and on that of kinds where they are rare.
    """
    # Kinds stand in the text. Whose sessions they are is a parameter, which makes no other plan for
    # the list by start, since that has an index with the initiator in front.
    known = OF_KINDS if listing.order.by_activity else OF_KINDS | {"initiator_id"}
    sized = not any(names - known for names in listing.plan.shape) and (
        reader is None or not listing.order.by_activity
    )
    statement = partial(_page, listing, reader is not None, window.shape(sized=sized))
    parameters = window.parameters() | filter_.parameters() | scope.parameters(reader)
    if read.listed and not counts.is_sum(listing.plan):
        read = read.unlisted()
    rows = await reading.fetch(db, statement, parameters, read)
    return list(map(SessionRow._make, rows))


@lru_cache(columns.VARIANTS)
def _page(listing: Listing, scoped: bool, window: keyset.Shape, read: reading.Shape) -> Statement:
    by = _BY_ACTIVITY if listing.order.by_activity else _ORDER
    select = sa.select(*_columns(read, by[0])).where(
        *scope.of_reader(scoped, _s), *passing(listing.plan)
    )
    descending = listing.order.descending
    count = counts.summed(listing.plan.shape, scoped).scalar_subquery() if read.listed else None
    shown = partial(reading.shown, SessionRow, read, listed=count)
    return Statement.of(keyset.windowed(select, window, by, descending=descending, shown=shown))


async def page_of_users(
    db: Snapshot,
    reader: UUID | None,
    user_ids: Sequence[UUID],
    window: Keyset,
    read: Reading = reading.ALL,
) -> dict[UUID, list[SessionRow]]:
    """Return one window of each user's sessions: (started_at, session_id) descending."""
    parameters = window.parameters() | {"user_ids": list(user_ids)} | scope.parameters(reader)
    statement = partial(_page_of_users, reader is not None, window.shape())
    rows = await reading.fetch(db, statement, parameters, read)
    result: dict[UUID, list[SessionRow]] = defaultdict(list)
    for record in rows:
        row = SessionRow._make(record)
        result[row.initiator_id].append(row)
    return result


@lru_cache(columns.VARIANTS)
def _page_of_users(scoped: bool, window: keyset.Shape, read: reading.Shape) -> Statement:
    select = sa.select(*_columns(read)).where(
        *scope.of_reader(scoped, _s), _s.c.initiator_id == columns.any_uuid("user_ids")
    )
    return Statement.of(
        keyset.windowed_per_parent(
            select,
            window,
            [_s.c.initiator_id],
            _ORDER,
            descending=True,
            shown=partial(reading.shown, SessionRow, read),
        )
    )


def of_keys(table: Any) -> list[sa.ColumnElement[bool]]:
    """Return the conditions for `session_parameters`, to be met by the primary key.

    `IS TRUE` keeps the initiators out of the choice of an index: a plan for any parameters may
    otherwise walk all sessions of each of them, because it takes both conditions to be as narrow.
    """
    return [
        table.c.session_id == columns.any_text("session_ids"),
        (table.c.initiator_id == columns.any_uuid("initiator_ids")).is_(True),
    ]


async def by_keys(
    db: Snapshot,
    reader: UUID | None,
    keys: Sequence[SessionKey],
    read: Reading = reading.ALL,
) -> dict[SessionKey, SessionRow]:
    """Return the sessions with these keys, by key."""
    parameters = session_parameters(keys) | scope.parameters(reader)
    rows = await reading.fetch(db, partial(_by_keys, reader is not None), parameters, read)
    return {row.key: row for row in map(SessionRow._make, rows)}


@lru_cache(columns.VARIANTS)
def _by_keys(scoped: bool, read: reading.Shape) -> Statement:
    found = sa.select(*_columns(read)).where(*scope.of_reader(scoped, _s), *of_keys(_s))
    return Statement.of(sa.select(*reading.shown(SessionRow, read, found.subquery())))


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
    return Statement.of(
        sa.select(_s.c.session_id, _s.c.initiator_id)
        .where(*scope.of_reader(scoped, _s), _s.c.session_id == columns.any_text("session_ids"))
        .order_by(*(column.desc() for column in _ORDER))
    )


async def summaries(
    db: Snapshot, keys: Sequence[SessionKey]
) -> dict[SessionKey, SessionSummaryRow]:
    """Return what is counted and collected over each session, by key."""
    rows = await db.fetch(_summaries(), session_parameters(keys))
    return {(row[0], row[1]): SessionSummaryRow(*row[2:]) for row in rows}


@cache
def _summaries() -> Statement:
    return Statement.of(
        sa.select(
            _s.c.session_id,
            _s.c.initiator_id,
            _s.c.ended_at,
            _s.c.threads,
            _s.c.interceptions,
            _s.c.providers,
            _s.c.models,
        ).where(*of_keys(_s))
    )


async def token_metadata(
    db: Snapshot, keys: Sequence[SessionKey]
) -> dict[SessionKey, dict[str, int]]:
    """Return the sums of the metadata of the token usages of each session that has any, by key."""
    rows = await db.fetch(_token_metadata(), session_parameters(keys))
    return {(row[0], row[1]): row[2] for row in rows}


@cache
def _token_metadata() -> Statement:
    return Statement.of(
        sa.select(_s.c.session_id, _s.c.initiator_id, _s.c.token_metadata).where(
            *of_keys(_s), _s.c.token_metadata != columns.EMPTY_OBJECT
        )
    )
