"""SQL for who is calling: a token's key with its user, in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from uuid import UUID

import sqlalchemy as sa

from db.database import Database
from db.models import api_keys, users
from db.queries import columns
from db.statement import Statement


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """A key and the user that it speaks for."""

    key_id: str
    hashed_secret: bytes
    expires_at: datetime
    last_used: datetime
    user_id: UUID
    username: str
    roles: Sequence[str]
    status: str


@cache
def _by_key_ids() -> Statement:
    return Statement.of(
        sa.select(
            api_keys.c.id,
            api_keys.c.hashed_secret,
            api_keys.c.expires_at,
            api_keys.c.last_used,
            users.c.id,
            users.c.username,
            users.c.rbac_roles,
            sa.cast(users.c.status, sa.Text),
        )
        .join_from(api_keys, users, users.c.id == api_keys.c.user_id)
        .where(api_keys.c.id == columns.any_text("key_ids"), ~users.c.deleted, ~users.c.is_system)
    )


async def by_key_ids(database: Database, key_ids: Sequence[str]) -> dict[str, CredentialRow]:
    """Return the keys with their users, by id; not those of users who are deleted or a system's.

    It leans on the primary keys of both tables.
    """
    rows = await database.fetch(_by_key_ids(), {"key_ids": key_ids})
    return {row[0]: CredentialRow(*row) for row in rows}


async def touch(database: Database, key_id: str) -> None:
    """Note that the key is in use, at most once a minute however many replicas ask."""
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE api_keys SET last_used = now() "
            "WHERE id = $1 AND last_used < now() - interval '1 minute'",
            key_id,
        )
