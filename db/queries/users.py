"""SQL for users: by id, and by name as filters name them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from uuid import UUID

import sqlalchemy as sa

from db.database import Snapshot
from db.models import users, visible_users
from db.queries import columns, scope
from db.rows import UserRow
from db.statement import Statement


async def by_ids(db: Snapshot, ids: Sequence[UUID]) -> dict[UUID, UserRow]:
    """Return the users with these ids, deleted ones too, by id."""
    rows = await db.fetch(_by_ids(), {"ids": list(ids)})
    return {row[0]: UserRow(*row) for row in rows}


@cache
def _by_ids() -> Statement:
    return Statement.of(
        sa.select(*columns.of(UserRow, visible_users)).where(
            visible_users.c.id == columns.any_uuid("ids")
        )
    )


async def ids_by_names(db: Snapshot, reader: UUID | None, names: Sequence[str]) -> dict[str, UUID]:
    """Return the ids of the users with these names in any case, by lower-case name.

    Deleted users are not found by name. A reader finds nobody but themself.
    """
    parameters = {"names": [name.lower() for name in names]} | scope.parameters(reader)
    rows = await db.fetch(_ids_by_names(reader is not None), parameters)
    return {row[0]: row[1] for row in rows}


@cache
def _ids_by_names(scoped: bool) -> Statement:
    name = sa.func.lower(users.c.username)
    found = sa.select(name, users.c.id).where(
        name == columns.any_text("names"), users.c.deleted.is_(False)
    )
    if scoped:
        found = found.where(users.c.id == sa.bindparam("scope", type_=sa.Uuid))
    return Statement.of(found)


async def known_ids(db: Snapshot, ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the ids that are users, deleted ones too."""
    return set(await by_ids(db, ids))
