"""SQL for the distinct models, clients and providers."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa

from db import filters
from db.database import Snapshot
from db.keyset import Keyset
from db.models import interceptions, kinds
from db.queries import scope
from db.statement import Statement

_i = interceptions.alias("i")

Kind = Literal["model", "client", "provider"]

_COLUMNS = {
    "model": _i.c.model,
    "client": filters.client_of(_i),
    "provider": _i.c.provider,
}


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
    by_kinds = reader is None and await db.has_rollup()
    statement = _distinct(kind, reader is not None, bool(prefix), by_kinds)
    return [row[0] for row in await db.fetch(statement, parameters, alone=alone)]


@cache
def _distinct(kind: Kind, scoped: bool, prefixed: bool, by_kinds: bool) -> Statement:
    values = _of_kinds(kind) if by_kinds else _of_interceptions(kind, scoped)
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


def _of_interceptions(kind: Kind, scoped: bool) -> sa.Select[Any]:
    value = _COLUMNS[kind].label("value")
    return sa.select(value).where(*filters.visible(_i, scoped)).distinct()


def _of_kinds(kind: Kind) -> sa.Select[Any]:
    """Return the values of the rollup's kinds, each kind tried by one probe of their index.

    A kind stays when its last interception goes, hence the probe. It is a scalar subquery with a
    limit, since PostgreSQL may turn an EXISTS into a join that reads all interceptions.
    """
    own = (_i.c.model, _i.c.provider, _i.c.provider_name, filters.client_of(_i))
    of_kind = (kinds.c.model, kinds.c.provider, kinds.c.provider_name, kinds.c.client)
    same = [one == other for one, other in zip(own, of_kind, strict=True)]
    probe = sa.select(sa.true()).where(*same, *filters.visible(_i)).limit(1).scalar_subquery()
    return sa.select(kinds.c[kind].label("value")).where(probe).distinct()
