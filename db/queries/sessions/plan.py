"""How a list of sessions is read: the one place where that is decided.

Where the database keeps its rollup, a filter falls into parts that the rollup answers alone (whose
session, which kinds of interceptions, which tools they called, when) and parts that only the
interceptions know (prompts, and calls of several tools by one of them). For the latter it depends
on how many rows are meant: few are looked up first and their sessions listed (`from_hits`), with
many the list is walked and each session tried.

Without the rollup (a database that is another program's) the plain tables are read; see `plain`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from db import filters
from db.database import Snapshot
from db.filters import OF_KINDS, Filter, Shape
from db.models import kinds as _kinds
from db.models import session_counts, tool_counts
from db.models import tool_kinds as _tool_kinds
from db.queries import columns, prompt_search, scope
from db.statement import Statement

# Criteria that the rollup has columns for; `OF_KINDS` are those that its kinds decide.
OF_SESSIONS = frozenset({"initiator_id", "session_ids"})
OF_TIMES = frozenset({"started_after", "started_before"})

# The criterion that its tool kinds decide, with those of kinds.
_TOOLS = "tools"

# Those that decide alike for all sessions that are counted together.
_OF_COUNTS = OF_KINDS | {"initiator_id", _TOOLS}

# Sessions of some kinds at most for a page to be found by the index of kinds, and then sorted. With
# more, a walk over the list passes few others between two of them.
_RARE = 3_000
# The same for a count: with more, reading the index takes as long as reading the sessions.
_MANY = 100_000

# Ids at most that are compared with a session's one by one: it takes the product of their numbers.
_FEW = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """How the sessions that pass a filter are found.

    Attributes:
        shape: Which criteria are given.
        kinds: The kinds that pass those criteria that kinds decide; None where none is given, or
            tool kinds decide them with the tools.
        tool_kinds: The tool kinds that pass; of several criteria on tools the first; else None.
        from_hits: Begin with the interceptions that pass, not with the list.
        by_index: The index of kinds, or of tool kinds, may be taken.
        by_hash: So many of them pass that a session's are better looked up among them.
        is_empty: No session can pass.
        number: How many pass, where their counts tell it.
    """

    shape: tuple[Shape, ...]
    kinds: tuple[int, ...] | None = None
    tool_kinds: tuple[int, ...] | None = None
    from_hits: bool = False
    by_index: bool = False
    by_hash: bool = False
    is_empty: bool = False
    # No part of a statement.
    number: int | None = field(default=None, compare=False)

    def names(self, some: frozenset[str]) -> list[tuple[int, str]]:
        """Return those of some criteria that are given, each with the number of its part."""
        return [(n, name) for n, names in enumerate(self.shape) for name in sorted(names & some)]

    @property
    def is_about_usages(self) -> bool:
        """Whether a criterion is given that only the rows of interceptions know."""
        known = OF_SESSIONS | OF_KINDS | OF_TIMES | {_TOOLS}
        return any(names - known for names in self.shape) or len(_parts_on_tools(self.shape)) > 1


class Order(NamedTuple):
    """The order of a list: by start or by last activity, and which end is first."""

    by_activity: bool = False
    descending: bool = True


NEWEST = Order()


class Listing(NamedTuple):
    """A list of sessions: which are in it, and in which order."""

    plan: Plan
    order: Order = NEWEST


async def plan_of(
    db: Snapshot, reader: UUID | None, filter_: Filter, *, for_count: bool = False
) -> Plan:
    """Decide how the sessions that pass are found; takes a short statement for some filters.

    Of a reader the kinds are those of their own sessions, so that the number of statements does not
    tell whether somebody else's are of a kind.
    """
    shape = filter_.shape()
    plan = Plan(shape)
    if any(names & (OF_KINDS | {_TOOLS}) for names in shape):
        plan = await _plan_by_kinds(db, reader, filter_, _MANY if for_count else _RARE)
    # A count wants all of them, so beginning with the interceptions is never the longer way.
    from_hits = for_count or (not plan.is_empty and await _few_are_meant(db, filter_))
    return replace(plan, from_hits=from_hits)


async def _plan_by_kinds(
    db: Snapshot, reader: UUID | None, filter_: Filter, most_by_index: int
) -> Plan:
    shape, scoped = filter_.shape(), reader is not None
    of_counts = tuple(names & (OF_KINDS | {"initiator_id"}) for names in shape)
    on_tools = _parts_on_tools(shape)
    statement = (
        _tool_kinds_of(of_counts, on_tools[0], scoped) if on_tools else _kinds_of(of_counts, scoped)
    )
    ((ids, number),) = await db.fetch(statement, filter_.parameters() | scope.parameters(reader))
    by_hash = len(ids) > _FEW
    return Plan(
        shape,
        kinds=None if on_tools else tuple(ids),
        tool_kinds=tuple(ids) if on_tools else None,
        by_index=number <= (_RARE if by_hash else most_by_index),
        by_hash=by_hash,
        is_empty=number == 0,
        number=int(number) if _is_counted(filter_, on_tools) else None,
    )


def _parts_on_tools(shape: tuple[Shape, ...]) -> list[int]:
    return [number for number, names in enumerate(shape) if _TOOLS in names]


def _is_counted(filter_: Filter, on_tools: list[int]) -> bool:
    """Say whether the counts tell how many pass; a session is in those of each of its tools."""
    if not all(names <= _OF_COUNTS for names in filter_.shape()):
        return False
    tools = [tool for part in on_tools for tool in filter_.all_of[part].tools or ()]
    return len(tools) == len(on_tools) <= 1


async def _few_are_meant(db: Snapshot, filter_: Filter) -> bool:
    """Say whether a criterion on prompts means so few that looking them up first pays."""
    for criteria in filter_.all_of:
        if criteria.is_by_index or (
            criteria.prompt_contains and await prompt_search.is_rare(db, criteria)
        ):
            return True
    return False


@cache
def _kinds_of(shape: tuple[Shape, ...], scoped: bool) -> Statement:
    """Return the kinds that pass, and how many sessions have any of them."""
    kind, counted = _kinds.alias(), session_counts.alias()
    own = _own(shape, scoped, counted)
    ids = sa.select(kind.c.id).where(*_of_kinds(shape, kind))
    if scoped:
        ids = ids.where(kind.c.id.in_(sa.select(sa.func.unnest(counted.c.kinds)).where(*own)))
    wanted = sa.select(_array(ids).label("ids")).cte()
    is_wanted = counted.c.kinds.overlap(sa.select(wanted.c.ids).scalar_subquery())
    return Statement.of(sa.select(wanted.c.ids, _number(counted, [*own, is_wanted])))


@cache
def _tool_kinds_of(shape: tuple[Shape, ...], part: int, scoped: bool) -> Statement:
    """Return the tool kinds that pass, and how many sessions have any, each tool by itself.

    `part` of the filter says which tools.
    """
    kind, tool_kind, counted = _kinds.alias(), _tool_kinds.alias(), tool_counts.alias()
    tools = columns.any_text(f"f{part}_{_TOOLS}")
    own = [*_own(shape, scoped, counted), counted.c.tool == tools]
    ids = sa.select(tool_kind.c.id).where(tool_kind.c.tool == tools)
    if scoped:
        mine = tool_counts.alias()
        is_mine = sa.exists().where(
            *_own(shape, scoped, mine),
            mine.c.tool == tool_kind.c.tool,
            tool_kind.c.kind == sa.any_(mine.c.kinds),
        )
        ids = ids.where(is_mine)
    if any(names & OF_KINDS for names in shape):
        wanted = sa.select(kind.c.id).where(*_of_kinds(shape, kind))
        ids = ids.where(tool_kind.c.kind.in_(wanted))
        own.append(counted.c.kinds.overlap(_array(wanted)))
    return Statement.of(sa.select(_array(ids), _number(counted, own)))


def _of_kinds(shape: tuple[Shape, ...], kind: Any) -> list[sa.ColumnElement[bool]]:
    return filters.of_interceptions(tuple(names & OF_KINDS for names in shape), kind)


def _own(shape: tuple[Shape, ...], scoped: bool, counted: Any) -> list[sa.ColumnElement[bool]]:
    """Return the conditions on whose sessions are counted."""
    conditions = filters.of_interceptions(tuple(names - OF_KINDS for names in shape), counted)
    if scoped:
        conditions.append(counted.c.initiator_id == sa.bindparam("scope", type_=sa.Uuid))
    return conditions


def _array(ids: sa.Select[Any]) -> sa.ColumnElement[Any]:
    ordered = ids.order_by(*ids.selected_columns).scalar_subquery()
    return sa.func.array(ordered, type_=ARRAY(sa.Integer))


def _number(counted: Any, conditions: list[sa.ColumnElement[bool]]) -> sa.ColumnElement[Any]:
    total = sa.func.coalesce(sa.func.sum(counted.c.sessions), 0)
    return sa.select(total).where(*conditions).scalar_subquery()
