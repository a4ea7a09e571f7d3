"""SQL for sessions on the rollup that the database keeps: a row for each session."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from db import filters, keyset
from db.database import Snapshot
from db.filters import Filter
from db.keyset import Keyset
from db.models import interceptions, sessions, user_prompts
from db.queries import columns, scope
from db.queries.interceptions import session_parameters
from db.queries.sessions.plan import OF_SESSIONS, OF_TIMES, Listing, Plan
from db.rows import SessionKey, SessionRow, SessionSummaryRow, UserPromptRow
from db.statement import Statement

_s = sessions.alias("s")
_ORDER = (_s.c.started_at, _s.c.session_id, _s.c.initiator_id)
_BY_ACTIVITY = (_s.c.last_active_at, _s.c.session_id, _s.c.initiator_id)
_TIMESTAMP = sa.DateTime(timezone=True)


def _columns(ordered_at: sa.ColumnElement[Any] = _s.c.started_at) -> list[sa.ColumnElement[Any]]:
    return columns.of(SessionRow, _s, {"ordered_at": ordered_at})


def _scoped(scoped: bool) -> list[sa.ColumnElement[bool]]:
    return [_s.c.initiator_id == sa.bindparam("scope", type_=sa.Uuid)] if scoped else []


def _passing(plan: Plan) -> list[sa.ColumnElement[bool]]:
    """Return the conditions for sessions with an interception that meets all criteria at once."""
    own = tuple(names & OF_SESSIONS for names in plan.shape)
    result = filters.of_interceptions(own, _s)
    kinds, times = _kinds(plan), _Times(plan)
    if kinds is not None:
        result.append(_s.c.kinds.overlap(kinds))
    result += times.necessary()
    if plan.is_about_usages:
        result.append(_among_hits(plan) if plan.from_hits else _has_match(plan))
    elif times.given:
        # Where the session lies within the window, or is of wanted kinds only, the rest is decided
        # without its interceptions.
        ways = [times.within()] if kinds is not None else []
        decided = times.sufficient()
        if kinds is not None:
            decided = sa.and_(_s.c.kinds.contained_by(kinds), decided)
        if kinds is not None or times.is_two_sided:
            result.append(sa.or_(*ways, decided, _has_match(plan)))
    return result


def _kinds(plan: Plan) -> sa.ColumnElement[Any] | None:
    if plan.kinds is None:
        return None
    # Spelled out, so that the planner knows how common they are; ids are integers of our own.
    return sa.literal_column(f"'{{{','.join(map(str, plan.kinds))}}}'::int[]", ARRAY(sa.Integer))


class _Times:
    """The criteria on when an interception started, as conditions on its session."""

    def __init__(self, plan: Plan) -> None:
        names = plan.names(OF_TIMES)
        self._after = [_time(n, name) for n, name in names if name == "started_after"]
        self._before = [_time(n, name) for n, name in names if name == "started_before"]
        self.given = bool(names)
        self.is_two_sided = bool(self._after and self._before)

    def necessary(self) -> list[sa.ColumnElement[bool]]:
        """What holds of each session with an interception in the window."""
        result: list[sa.ColumnElement[bool]] = []
        for time in self._after:
            result += [_s.c.last_started_at >= time, _s.c.started_at >= _earliest_start(time)]
        return result + [_s.c.started_at <= time for time in self._before]

    def sufficient(self) -> sa.ColumnElement[bool]:
        """What, beside the necessary, makes sure of an interception in the window."""
        if not self.is_two_sided:
            return sa.true()
        return sa.or_(
            sa.and_(*(_s.c.started_at >= time for time in self._after)),
            sa.and_(*(_s.c.last_started_at <= time for time in self._before)),
        )

    def within(self) -> sa.ColumnElement[bool]:
        """That all interceptions are in the window."""
        return sa.and_(
            *(_s.c.started_at >= time for time in self._after),
            *(_s.c.last_started_at <= time for time in self._before),
        )


def _time(number: int, name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(f"f{number}_{name}", type_=_TIMESTAMP)


def _earliest_start(time: sa.BindParameter[Any]) -> sa.ScalarSelect[Any]:
    """Return the start of the first session that was still at work on the day of `time`.

    It bounds the walk over the list, which would go on to its end otherwise. The index
    (last_started_on, started_at) has it; OFFSET keeps the planner from walking the other one.
    """
    t = sessions.alias()
    day = sa.cast(sa.func.timezone("UTC", time), sa.Date)
    late = sa.select(t.c.started_at).where(t.c.last_started_on >= day).offset(0).subquery()
    return sa.select(sa.func.min(late.c.started_at)).scalar_subquery()


def _match(plan: Plan) -> tuple[Any, list[sa.ColumnElement[bool]]]:
    match = interceptions.alias("match")
    return match, [*filters.visible(match), *filters.of_interceptions(plan.shape, match)]


def _has_match(plan: Plan) -> sa.ColumnElement[bool]:
    match, conditions = _match(plan)
    return sa.exists().where(
        match.c.session_id == _s.c.session_id,
        match.c.initiator_id == _s.c.initiator_id,
        *conditions,
    )


def _among_hits(plan: Plan) -> sa.ColumnElement[bool]:
    match, conditions = _match(plan)
    hits = (
        sa.select(match.c.session_id, match.c.initiator_id)
        .where(*conditions)
        .distinct()
        .cte("hits")
        .prefix_with("MATERIALIZED")
    )
    return sa.tuple_(_s.c.session_id, _s.c.initiator_id).in_(
        sa.select(hits.c.session_id, hits.c.initiator_id)
    )


async def page(
    db: Snapshot, reader: UUID | None, filter_: Filter, window: Keyset, listing: Listing
) -> list[SessionRow]:
    """Return a window of the sessions that pass.

    Leans on the indexes (started_at desc, …), (initiator_id, started_at desc, …),
    (last_active_at desc, …), and on that of kinds where they are rare.
    """
    statement = _page(listing, reader is not None, window.shape())
    rows = await db.fetch(
        statement, window.parameters() | filter_.parameters() | scope.parameters(reader)
    )
    return [SessionRow(*row) for row in rows]


@lru_cache(maxsize=4096)
def _page(listing: Listing, scoped: bool, window: keyset.Shape) -> Statement:
    order = _BY_ACTIVITY if listing.by_activity else _ORDER
    select = sa.select(*_columns(order[0])).where(*_scoped(scoped), *_passing(listing.plan))
    return Statement.of(keyset.windowed(select, window, order, descending=listing.descending))


async def count(db: Snapshot, reader: UUID | None, filter_: Filter, plan: Plan) -> int:
    """Return how many sessions pass."""
    # All of them are wanted, so beginning with the interceptions is never the longer way.
    plan = replace(plan, from_hits=plan.is_about_usages)
    rows = await db.fetch(
        _count(plan, reader is not None), filter_.parameters() | scope.parameters(reader)
    )
    return int(rows[0][0])


@lru_cache(maxsize=4096)
def _count(plan: Plan, scoped: bool) -> Statement:
    conditions = [*_scoped(scoped), *_passing(plan)]
    return Statement.of(sa.select(sa.func.count()).select_from(_s).where(*conditions))


async def page_of_users(
    db: Snapshot, reader: UUID | None, user_ids: Sequence[UUID], window: Keyset
) -> dict[UUID, list[SessionRow]]:
    """Return one window of each user's sessions: (started_at, session_id) descending."""
    parameters = {"user_ids": list(user_ids)} | scope.parameters(reader)
    rows = await db.fetch(
        _page_of_users(reader is not None, window.shape()), window.parameters() | parameters
    )
    result: dict[UUID, list[SessionRow]] = defaultdict(list)
    for record in rows:
        row = SessionRow(*record)
        result[row.initiator_id].append(row)
    return result


@cache
def _page_of_users(scoped: bool, window: keyset.Shape) -> Statement:
    select = sa.select(*_columns()).where(
        *_scoped(scoped), _s.c.initiator_id == columns.any_uuid("user_ids")
    )
    return Statement.of(
        keyset.windowed_per_parent(select, window, [_s.c.initiator_id], _ORDER, descending=True)
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
        sa.select(_s.c.initiator_id, sa.func.count())
        .where(*_scoped(scoped), _s.c.initiator_id == columns.any_uuid("user_ids"))
        .group_by(_s.c.initiator_id)
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
    db: Snapshot, reader: UUID | None, keys: Sequence[SessionKey]
) -> dict[SessionKey, SessionRow]:
    """Return the sessions with these keys, by key."""
    rows = await db.fetch(
        _by_keys(reader is not None), session_parameters(keys) | scope.parameters(reader)
    )
    return {row.key: row for row in (SessionRow(*record) for record in rows)}


@cache
def _by_keys(scoped: bool) -> Statement:
    return Statement.of(sa.select(*_columns()).where(*_scoped(scoped), *of_keys(_s)))


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
        .where(*_scoped(scoped), _s.c.session_id == columns.any_text("session_ids"))
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


async def last_prompts(db: Snapshot, keys: Sequence[SessionKey]) -> dict[SessionKey, UserPromptRow]:
    """Return the newest prompt, by (created_at, id), of each session that has one, by key."""
    rows = await db.fetch(_last_prompts(), session_parameters(keys))
    return {
        (session_id, initiator_id): UserPromptRow(*row) for session_id, initiator_id, *row in rows
    }


@cache
def _last_prompts() -> Statement:
    return Statement.of(
        sa.select(_s.c.session_id, _s.c.initiator_id, *columns.of(UserPromptRow, user_prompts))
        .select_from(_s)
        .join(user_prompts, user_prompts.c.id == _s.c.last_prompt_id)
        .where(*of_keys(_s))
    )
