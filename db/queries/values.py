"""SQL for the distinct models, clients and providers."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa

from db import filters
from db.database import Snapshot
from db.keyset import Keyset
from db.models import interception_counts, interceptions
from db.queries import scope
from db.statement import Statement

_i = interceptions.alias("i")
_c = interception_counts.alias("c")

Kind = Literal["model", "client", "provider"]


async def distinct(
    db: Snapshot,
    kind: Kind,
    reader: UUID | None,
    *,
    prefix: str,
    window: Keyset,
    alone: bool = False,
) -> list[str]:
    """Return a window of the distinct values that begin with the prefix, ascending by code point.

    `alone` says, as to `Snapshot.fetch`, that nothing else is told together with them.
    """
    parameters = window.parameters() | scope.parameters(reader)
    if prefix:
        parameters["prefix"] = filters.escaped_for_like(prefix) + "%"
    statement = _distinct(kind, reader is not None, bool(prefix), await db.has_rollup())
    return [row[0] for row in await db.fetch(statement, parameters, alone=alone)]


@cache
def _distinct(kind: Kind, scoped: bool, prefixed: bool, counted: bool) -> Statement:
    found = (_of_counts if counted else _of_interceptions)(kind, scoped).subquery()
    select = sa.select(found.c.value).order_by(sa.collate(found.c.value, "C"))
    if prefixed:
        prefix = sa.bindparam("prefix", type_=sa.Text)
        select = select.where(found.c.value.like(prefix, escape="\\"))
    return Statement.of(
        select.limit(sa.bindparam("limit", type_=sa.BigInteger)).offset(
            sa.bindparam("offset", type_=sa.BigInteger)
        )
    )


def _of_interceptions(kind: Kind, scoped: bool) -> sa.Select[Any]:
    value = filters.client_of(_i) if kind == "client" else _i.c[kind]
    return sa.select(value.label("value")).where(*filters.visible(_i, scoped)).distinct()


def _of_counts(kind: Kind, scoped: bool) -> sa.Select[Any]:
    value = _c.c[kind].label("value")
    found = sa.select(value).where(*scope.of_reader(scoped, _c)).group_by(value)
    # Of several rows one may be negative.
    return found.having(sa.func.sum(_c.c.interceptions) > 0)
