"""How a list of sessions is read: the one place where that is decided.

Where the database keeps its rollup, a filter falls into parts that the rollup answers alone (whose
session, which kinds of interceptions, when) and parts that only the interceptions know (tools,
prompts). For the latter it depends on how many rows are meant: few are looked up first and their
sessions listed (`from_hits`), with many the list is walked and each session tried.

Without the rollup (a database that is another program's) the plain tables are read; see `plain`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa

from db import filters
from db.database import Snapshot
from db.filters import Filter, Shape
from db.models import kinds as _kinds
from db.models import session_counts, tool_usages
from db.queries import columns, prompt_search, scope
from db.statement import Statement

# Criteria that the rollup has columns for, and those that its kinds decide.
OF_SESSIONS = frozenset({"initiator_id", "session_ids"})
OF_KINDS = frozenset({"providers", "provider_names", "models", "clients", "credential_kind"})
OF_TIMES = frozenset({"started_after", "started_before"})

# Rows that are looked up first at most. At this number both ways take about 25 ms.
_MANY = 10_000

# Sessions of rare kinds at most: those are found by the index of kinds and then sorted. With more,
# a walk over the list passes few others between two of them.
_RARE = 3_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How the sessions that pass a filter are found.

    Attributes:
        shape: Which criteria are given.
        kinds: The kinds that pass those criteria that kinds decide; None where none is given.
        from_hits: Begin with the interceptions that pass, not with the list.
        is_rare: Few sessions have any of these kinds.
    """

    shape: tuple[Shape, ...]
    kinds: tuple[int, ...] | None = None
    from_hits: bool = False
    is_rare: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether no session can pass."""
        return self.kinds == ()

    def names(self, some: frozenset[str]) -> list[tuple[int, str]]:
        """Return those of some criteria that are given, each with the number of its part."""
        return [(n, name) for n, names in enumerate(self.shape) for name in sorted(names & some)]

    @property
    def is_about_usages(self) -> bool:
        """Whether a criterion is given that only the rows of interceptions know."""
        return any(names - OF_SESSIONS - OF_KINDS - OF_TIMES for names in self.shape)


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
    parameters = filter_.parameters() | scope.parameters(reader)
    kinds, is_rare = None, False
    if any(names & OF_KINDS for names in shape):
        wanted = tuple(names & OF_KINDS for names in shape)
        ((ids, number),) = await db.fetch(_kinds_of(wanted, reader is not None), parameters)
        kinds, is_rare = tuple(ids), number <= _RARE
    # A count wants all of them, so beginning with the interceptions is never the longer way.
    from_hits = for_count or (kinds != () and await _few_are_meant(db, filter_))
    return Plan(shape, kinds, from_hits, is_rare)


async def _few_are_meant(db: Snapshot, filter_: Filter) -> bool:
    """Say whether a criterion on usages means so few rows that looking them up first pays."""
    for number, criteria in enumerate(filter_.all_of):
        if criteria.is_by_index or (
            criteria.prompt_contains and await prompt_search.is_rare(db, criteria)
        ):
            return True
        if criteria.tools:
            rows = await db.fetch(_calls(number), filter_.parameters())
            if rows[0][0] < _MANY:
                return True
    return False


@cache
def _kinds_of(shape: tuple[Shape, ...], scoped: bool) -> Statement:
    """Return the kinds that pass, and how many sessions have any of them."""
    table, counted = _kinds.alias(), session_counts.alias()
    own = counted.c.initiator_id == sa.bindparam("scope", type_=sa.Uuid) if scoped else sa.true()
    ids = sa.select(table.c.id).where(*filters.of_interceptions(shape, table))
    if scoped:
        ids = ids.where(table.c.id.in_(sa.select(sa.func.unnest(counted.c.kinds)).where(own)))
    wanted = sa.select(sa.func.array(ids.order_by(table.c.id).scalar_subquery()).label("ids")).cte()
    number = (
        sa.select(sa.func.coalesce(sa.func.sum(counted.c.sessions), 0))
        .where(counted.c.kinds.overlap(sa.select(wanted.c.ids).scalar_subquery()), own)
        .scalar_subquery()
    )
    return Statement.of(sa.select(wanted.c.ids, number))


@cache
def _calls(number: int) -> Statement:
    """Count the calls of some tools, as far as it matters."""
    is_meant = tool_usages.c.tool == columns.any_text(f"f{number}_tools")
    hits = sa.select(sa.literal(1)).where(is_meant).limit(_MANY).subquery()
    return Statement.of(sa.select(sa.func.count()).select_from(hits))
