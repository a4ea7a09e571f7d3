"""Which sessions of the rollup pass a filter, as conditions on its rows."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from db import filters
from db.models import interceptions, sessions
from db.queries.sessions.plan import OF_SESSIONS, OF_TIMES, Plan

SESSIONS = sessions.alias("s")

_s = SESSIONS
_TIMESTAMP = sa.DateTime(timezone=True)


class Begun(Enum):
    """Which sessions are looked for, where interceptions since some time are: split by the start.

    Sessions that began since have one for certain, which their index knows; those that began before
    are few, and must have gone on.
    """

    EVER = auto()
    SINCE = auto()
    BEFORE = auto()


def passing(plan: Plan, begun: Begun = Begun.EVER) -> list[sa.ColumnElement[bool]]:
    """Return the conditions for sessions with an interception that meets all criteria at once."""
    own = tuple(names & OF_SESSIONS for names in plan.shape)
    result = filters.of_interceptions(own, _s)
    times = _Times(plan)
    # Those that began before are looked for day by day, and the index would be read for each.
    result += _meant(plan, by_index=plan.by_index and begun is not Begun.BEFORE)
    result += times.necessary(begun)
    if plan.is_about_usages:
        result.append(_among_hits(plan) if plan.from_hits else _has_match(plan))
    elif times.given:
        result += _in_time(plan, times, begun)
    return result


def _meant(plan: Plan, *, by_index: bool) -> list[sa.ColumnElement[bool]]:
    """Return the condition that a session has any of the kinds or tool kinds that pass, if any."""
    column, ids = _s.c.kinds, plan.kinds
    if plan.tool_kinds is not None:
        column, ids = _s.c.tool_kinds, plan.tool_kinds
    if ids is None:
        return []
    if by_index:
        return [column.overlap(_ids(ids))]
    if plan.by_hash:
        # Of a list that does not change PostgreSQL makes a table of hashes.
        own = sa.func.unnest(column).column_valued("own")
        among = sa.select(own).where(own == sa.any_(_ids(ids)))
        return [sa.exists(among.correlate(_s))]
    # `IS TRUE` keeps out the index, which has all sessions that are meant: a planner that can't
    # know how many are in a window takes it for the shorter way.
    return [column.overlap(_ids(ids)).is_(True)]


def _in_time(plan: Plan, times: _Times, begun: Begun) -> list[sa.ColumnElement[bool]]:
    """Return, beside what is necessary, that one of those meant is in the window.

    Where the whole session is in the window, or is of wanted kinds only, that is decided without
    its interceptions.
    """
    rest = _has_match_where_undecided(plan)
    if plan.tool_kinds is not None:
        return [sa.or_(times.within(), rest)]
    if plan.kinds is not None:
        decided = sa.and_(_s.c.kinds.contained_by(_ids(plan.kinds)), times.sufficient())
        return [sa.or_(times.within(), decided, rest)]
    if times.is_two_sided and begun is not Begun.SINCE:
        return [sa.or_(times.sufficient(), rest)]
    return []


def _ids(ids: tuple[int, ...]) -> sa.ColumnElement[Any]:
    # Spelled out, so that the planner knows how common they are; ids are integers of our own.
    return sa.literal_column(f"'{{{','.join(map(str, ids))}}}'::int[]", ARRAY(sa.Integer))


class _Times:
    """The criteria on when an interception started, as conditions on its session."""

    def __init__(self, plan: Plan) -> None:
        names = plan.names(OF_TIMES)
        self._after = [_time(n, name) for n, name in names if name == "started_after"]
        self._before = [_time(n, name) for n, name in names if name == "started_before"]
        self.given = bool(names)
        self.is_two_sided = bool(self._after and self._before)

    def necessary(self, begun: Begun) -> list[sa.ColumnElement[bool]]:
        """What holds of each session with an interception in the window."""
        result = [_s.c.started_at <= time for time in self._before]
        if begun is Begun.SINCE:
            return result + [_s.c.started_at >= time for time in self._after]
        if begun is Begun.BEFORE:
            result.append(_s.c.started_at < sa.func.greatest(*self._after))
        for time in self._after:
            result.append(_s.c.last_started_at >= time)
            if begun is Begun.EVER:
                result.append(_s.c.started_at >= _earliest_start(time))
        return result

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


def _earliest_start(time: sa.ColumnElement[Any]) -> sa.ScalarSelect[Any]:
    """Return the start of the first session that was still at work on the day of `time`.

    It bounds the walk over the list, which would go on to its end otherwise. The index
    (last_started_on, started_at) has it, by one probe for each day since.
    """
    t = sessions.alias()
    days = days_since(time)
    first = (
        sa.select(t.c.started_at)
        .where(t.c.last_started_on == days.c.day)
        .order_by(t.c.started_at)
        .limit(1)
        .correlate(days)
        .scalar_subquery()
    )
    return sa.select(sa.func.min(first)).select_from(days).scalar_subquery()


def days_since(time: sa.ColumnElement[Any]) -> sa.CTE:
    """Return the days (`day`) from that of `time` on which a session began its last, and NULL.

    Each is found from the one before by one probe of the index, so that a time which is far off,
    or infinite, costs no more than any other.
    """
    t, later = sessions.alias(), sessions.alias()
    day = sa.cast(sa.func.timezone("UTC", time), sa.Date)
    first = sa.select(sa.func.min(t.c.last_started_on).label("day"))
    days = first.where(t.c.last_started_on >= day).cte(recursive=True, nesting=True)
    following = sa.select(sa.func.min(later.c.last_started_on))
    following = following.where(later.c.last_started_on > days.c.day)
    return days.union_all(
        sa.select(following.correlate(days).scalar_subquery()).where(days.c.day.is_not(None))
    )


def since(plan: Plan) -> sa.ColumnElement[Any] | None:
    """Return since when the interceptions are to have started; None where nothing is said."""
    after = [_time(n, name) for n, name in plan.names(frozenset({"started_after"}))]
    return sa.func.greatest(*after) if after else None


def _match(plan: Plan) -> tuple[Any, list[sa.ColumnElement[bool]]]:
    match = interceptions.alias("match")
    return match, [*filters.visible(match), *filters.of_interceptions(plan.shape, match)]


def _has_match(plan: Plan) -> sa.ColumnElement[bool]:
    return sa.exists(_matches(plan))


def _has_match_where_undecided(plan: Plan) -> sa.ColumnElement[bool]:
    # Few sessions come to it, so it must stay a probe for each of them: with `OFFSET 0` PostgreSQL
    # does not put all interceptions that match into a table first.
    return sa.exists(_matches(plan).offset(sa.literal_column("0")))


def _matches(plan: Plan) -> sa.Select[Any]:
    match, conditions = _match(plan)
    return (
        sa.select(sa.literal_column("1"))
        .select_from(match)
        .where(
            match.c.session_id == _s.c.session_id,
            match.c.initiator_id == _s.c.initiator_id,
            *conditions,
        )
        .correlate(_s)
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
