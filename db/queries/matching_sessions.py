"""SQL for sessions as REST tells of them: by those of their interceptions that pass a filter.

A session's place in the list and its figures come from its matching interceptions only; where a
filter lets a session through as a whole or not at all, that is the same as `sessions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db import filters, keyset
from db.database import Snapshot
from db.filters import Filter
from db.keyset import Keyset, SortKey
from db.models import interceptions
from db.queries import scope
from db.queries.interceptions import of_session_keys, session_parameters
from db.rows import MatchingSessionRow, SessionKey
from db.statement import Statement

_i = interceptions.alias("i")
_KEY: tuple[sa.ColumnElement[Any], ...] = (_i.c.session_id, _i.c.initiator_id)
_ORDER = (_i.c.started_at, *_KEY)

# Criteria that all interceptions of a session meet, or none.
_OF_WHOLE_SESSIONS = frozenset({"initiator_id", "session_ids"})


def takes_whole_sessions(filter_: Filter) -> bool:
    """Say whether a session's interceptions pass all or not at all."""
    return all(names <= _OF_WHOLE_SESSIONS for names in filter_.shape())


async def page(
    db: Snapshot, reader: UUID | None, filter_: Filter, window: Keyset
) -> list[SessionKey]:
    """Return the keys of a window of the sessions with an interception that passes.

    They are ordered by (start of the first interception that passes, session_id, initiator_id),
    descending. Leans on the indexes (started_at desc, session_id desc, initiator_id desc, id) and
    (session_id, initiator_id, started_at, id).
    """
    statement = _page(filter_.shape(), reader is not None, window.shape())
    rows = await db.fetch(
        statement, window.parameters() | filter_.parameters() | scope.parameters(reader)
    )
    return [(row[0], row[1]) for row in rows]


@cache
def _page(shape: tuple[filters.Shape, ...], scoped: bool, window: keyset.Shape) -> Statement:
    earlier = interceptions.alias("earlier")
    is_first_match = ~sa.exists().where(
        earlier.c.session_id == _i.c.session_id,
        earlier.c.initiator_id == _i.c.initiator_id,
        sa.tuple_(earlier.c.started_at, earlier.c.id) < sa.tuple_(_i.c.started_at, _i.c.id),
        *filters.visible(earlier),
        *filters.of_interceptions(shape, earlier),
    )
    select = sa.select(*_KEY).where(
        is_first_match, *filters.visible(_i, scoped), *filters.of_interceptions(shape, _i)
    )
    return Statement.of(keyset.windowed(select, window, _ORDER, descending=True))


async def figures(
    db: Snapshot, filter_: Filter, keys: Sequence[SessionKey]
) -> dict[SessionKey, MatchingSessionRow]:
    """Return what is counted over the interceptions of each session that pass, by key."""
    statement = _figures(filter_.shape())
    rows = await db.fetch(statement, filter_.parameters() | session_parameters(keys))
    return {row.key: row for row in (MatchingSessionRow(*record) for record in rows)}


@cache
def _figures(shape: tuple[filters.Shape, ...]) -> Statement:
    return Statement.of(
        sa.select(
            *_KEY,
            sa.func.min(_i.c.started_at),
            sa.func.max(_i.c.ended_at),
            sa.func.count().filter(_i.c.thread_root_id.is_(None)),
        )
        .where(*of_session_keys(_i), *filters.visible(_i), *filters.of_interceptions(shape, _i))
        .group_by(*_KEY)
    )


async def position(
    db: Snapshot,
    reader: UUID | None,
    filter_: Filter,
    session_id: str,
    initiator_id: UUID | None = None,
) -> SortKey | None:
    """Return the sort key of a session in the list of those that pass; None where there is none.

    Where several initiators share the session id and none is given, it is the first in list order.
    A session of which nothing passes stands where it would in the list of all.
    """
    parameters: dict[str, Any] = {"session_id": session_id}
    if initiator_id is not None:
        parameters["initiator_id"] = initiator_id
    rows = await db.fetch(
        _position(filter_.shape(), reader is not None, initiator_id is not None),
        parameters | filter_.parameters() | scope.parameters(reader),
    )
    return (rows[0][0], rows[0][1], rows[0][2]) if rows else None


@cache
def _position(shape: tuple[filters.Shape, ...], scoped: bool, of_initiator: bool) -> Statement:
    start = sa.func.min(_i.c.started_at)
    first_match = (
        start.filter(*filters.of_interceptions(shape, _i)) if not filters.is_empty(shape) else start
    )
    select = (
        sa.select(sa.func.coalesce(first_match, start), *_KEY)
        .where(
            _i.c.session_id == sa.bindparam("session_id", type_=sa.Text),
            *filters.visible(_i, scoped),
        )
        .group_by(*_KEY)
        .order_by(first_match.desc().nulls_last(), start.desc(), _i.c.initiator_id.desc())
        .limit(1)
    )
    if of_initiator:
        select = select.where(_i.c.initiator_id == sa.bindparam("initiator_id", type_=sa.Uuid))
    return Statement.of(select)
