"""SQL for how many sessions there are: sums over few rows where the database counts them itself.

It does by initiator and combination of kinds, so that a session of several kinds counts once. Where
more than that is asked, sessions are counted one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db import filters
from db.database import Snapshot
from db.filters import Filter, Shape
from db.models import session_counts
from db.queries import columns, scope
from db.queries.sessions.passing import SESSIONS, Begun, days_since, passing, since
from db.queries.sessions.plan import Plan
from db.statement import Statement

_c = session_counts.alias("c")


async def of_all(db: Snapshot, reader: UUID | None, filter_: Filter, plan: Plan) -> int:
    """Return how many sessions pass."""
    if plan.number is not None:
        return plan.number
    scoped = reader is not None
    statement = _summed(plan.shape, scoped) if is_sum(plan) else _walked(plan, scoped)
    parameters = filter_.parameters() | scope.parameters(reader)
    return int((await db.fetch(statement, parameters))[0][0])


def is_sum(plan: Plan) -> bool:
    """Say whether they are counted by initiator alone, so that a statement can add that up."""
    return all(names <= {"initiator_id"} for names in plan.shape)


def summed(shape: tuple[Shape, ...], scoped: bool) -> sa.Select[Any]:
    """Return the sum that counts those that pass a filter by initiator."""
    conditions = [*scope.of_reader(scoped, _c), *filters.of_interceptions(shape, _c)]
    return sa.select(sa.cast(_total(), sa.BigInteger)).where(*conditions)


@cache
def _summed(shape: tuple[Shape, ...], scoped: bool) -> Statement:
    return Statement.of(summed(shape, scoped))


@lru_cache(maxsize=4096)
def _walked(plan: Plan, scoped: bool) -> Statement:
    start = since(plan)
    if start is None or plan.is_about_usages:
        return Statement.of(_counted(plan, scoped, Begun.EVER))
    # Those that began before it are found by the day of their last start, which is one since.
    days = days_since(start)
    earlier = (
        _counted(plan, scoped, Begun.BEFORE)
        .where(SESSIONS.c.last_started_on == days.c.day)
        .correlate(days)
        .scalar_subquery()
    )
    rest = sa.select(sa.func.coalesce(sa.func.sum(earlier), 0)).select_from(days)
    begun_since = _counted(plan, scoped, Begun.SINCE).scalar_subquery()
    return Statement.of(sa.select(begun_since + rest.scalar_subquery()))


def _counted(plan: Plan, scoped: bool, begun: Begun) -> sa.Select[Any]:
    conditions = [*scope.of_reader(scoped, SESSIONS), *passing(plan, begun)]
    return sa.select(sa.func.count()).select_from(SESSIONS).where(*conditions)


async def of_users(db: Snapshot, reader: UUID | None, user_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return how many sessions each user has, by user id; users without one may be missing."""
    parameters = {"user_ids": list(user_ids)} | scope.parameters(reader)
    rows = await db.fetch(_of_users(reader is not None), parameters)
    return {row[0]: int(row[1]) for row in rows}


@cache
def _of_users(scoped: bool) -> Statement:
    return Statement.of(
        sa.select(_c.c.initiator_id, _total())
        .where(*scope.of_reader(scoped, _c), _c.c.initiator_id == columns.any_uuid("user_ids"))
        .group_by(_c.c.initiator_id)
    )


def _total() -> sa.ColumnElement[Any]:
    return sa.func.coalesce(sa.func.sum(_c.c.sessions), 0)
