"""Users and their keys as the command line manages them: made, listed, revoked.

Each function takes a connection lent for writing (`Database.connection`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A user who is not deleted."""

    username: str
    name: str
    email: str
    roles: Sequence[str]
    status: str


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key, without anything that would let its holder in."""

    id: str
    username: str
    token_name: str
    created_at: datetime
    last_used: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be stored. The secret itself never is."""

    id: str
    hashed_secret: bytes
    token_name: str
    lifetime_seconds: int
    expires_at: datetime


async def create_user(connection: Any, user: AccountRow) -> bool:
    """Store a new user; False where the name is taken."""
    made = await connection.fetchval(
        "INSERT INTO users (id, username, name, email, rbac_roles) "
        "VALUES (gen_random_uuid(), $1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING id",
        user.username,
        user.name,
        user.email,
        list(user.roles),
    )
    return made is not None


async def list_users(connection: Any) -> list[AccountRow]:
    """Return the users by name."""
    rows = await connection.fetch(
        "SELECT username, name, email, rbac_roles, status::text FROM users "
        "WHERE NOT deleted AND NOT is_system ORDER BY lower(username)"
    )
    return [AccountRow(*row) for row in rows]


async def user_id(connection: Any, username: str) -> UUID | None:
    """Return the id of the user with this name, in any case."""
    found: UUID | None = await connection.fetchval(
        "SELECT id FROM users WHERE lower(username) = lower($1) AND NOT deleted AND NOT is_system",
        username,
    )
    return found


async def create_key(connection: Any, user: UUID, key: NewKey) -> None:
    """Store a new key of the user."""
    await connection.execute(
        "INSERT INTO api_keys (id, hashed_secret, user_id, token_name, lifetime_seconds,"
        " expires_at, last_used, created_at, updated_at, login_type) "
        "VALUES ($1, $2, $3, $4, $5, $6, 'epoch', now(), now(), 'token')",
        key.id,
        key.hashed_secret,
        user,
        key.token_name,
        key.lifetime_seconds,
        key.expires_at,
    )


async def list_keys(connection: Any, username: str | None = None) -> list[KeyRow]:
    """Return the keys of all users, or of one, oldest first."""
    rows = await connection.fetch(
        "SELECT k.id, u.username, k.token_name, k.created_at, k.last_used, k.expires_at "
        "FROM api_keys k JOIN users u ON u.id = k.user_id "
        "WHERE $1::text IS NULL OR lower(u.username) = lower($1) ORDER BY k.created_at, k.id",
        username,
    )
    return [KeyRow(*row) for row in rows]


async def delete_key(connection: Any, key_id: str) -> bool:
    """Delete a key, by which its token is worth nothing at once; False where it is unknown."""
    deleted = await connection.fetchval("DELETE FROM api_keys WHERE id = $1 RETURNING id", key_id)
    return deleted is not None


async def delete_expired_keys(connection: Any, token_name: str) -> None:
    """Delete the keys of this name that are no good any more."""
    await connection.execute(
        "DELETE FROM api_keys WHERE token_name = $1 AND expires_at < now()", token_name
    )
