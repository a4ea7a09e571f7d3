"""SQL for the distinct models, clients and providers."""

from __future__ import annotations

from functools import cache
from typing import Literal
from uuid import UUID

import sqlalchemy as sa

from db import filters
from db.database import Snapshot
from db.models import interceptions
from db.queries import scope
from db.statement import Statement

_i = interceptions.alias("i")

Kind = Literal["model", "client", "provider"]

_COLUMNS = {
    "model": _i.c.model,
    "client": sa.func.coalesce(_i.c.client, filters.UNKNOWN_CLIENT),
    "provider": _i.c.provider,
}


async def distinct(
    db: Snapshot, kind: Kind, reader: UUID | None, *, prefix: str, limit: int, offset: int
) -> list[str]:
    """Return the distinct values that begin with the prefix, ascending by code point."""
    parameters = {"limit": limit, "offset": offset} | scope.parameters(reader)
    if prefix:
        parameters["prefix"] = filters.escaped_for_like(prefix) + "%"
    rows = await db.fetch(_distinct(kind, reader is not None, bool(prefix)), parameters)
    return [row[0] for row in rows]


@cache
def _distinct(kind: Kind, scoped: bool, prefixed: bool) -> Statement:
    values = sa.select(_COLUMNS[kind].label("value")).where(*filters.visible(_i, scoped)).distinct()
    found = values.subquery()
    select = sa.select(found.c.value).order_by(sa.collate(found.c.value, "C"))
    if prefixed:
        prefix = sa.bindparam("prefix", type_=sa.Text)
        select = select.where(found.c.value.like(prefix, escape="\\"))
    return Statement.of(
        select.limit(sa.bindparam("limit", type_=sa.BigInteger)).offset(
            sa.bindparam("offset", type_=sa.BigInteger)
        )
    )
