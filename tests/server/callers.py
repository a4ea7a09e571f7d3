"""Users with tokens, for tests that need somebody to call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg

from db import accounts
from server import tokens


@dataclass(frozen=True, slots=True)
class Caller:
    """A user and the token that speaks for them."""

    user_id: UUID
    username: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """The header that most clients send."""
        return {"Coder-Session-Token": self.token}


async def make_caller(
    database_url: str,
    *roles: str,
    username: str | None = None,
    status: str = "active",
    deleted: bool = False,
    is_system: bool = False,
    expires_in: timedelta = timedelta(days=1),
) -> Caller:
    """Make a user with these roles and a token of theirs."""
    user_id = uuid4()
    username = username or f"user-{user_id.hex[:8]}"
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "INSERT INTO users (id, username, email, rbac_roles, status, deleted, is_system) "
            "VALUES ($1, $2, $2 || '@example.com', $3, $4, $5, $6)",
            user_id,
            username,
            list(roles),
            status,
            deleted,
            is_system,
        )
    finally:
        await connection.close()
    return Caller(user_id, username, await make_token(database_url, user_id, expires_in))


async def make_token(
    database_url: str, user_id: UUID, expires_in: timedelta = timedelta(days=1)
) -> str:
    """Make a token of a user who is there."""
    token = tokens.new()
    expires_at = datetime.now(UTC) + expires_in
    key = accounts.NewKey(token.id, token.hashed_secret, "test", 86_400, expires_at)
    connection = await asyncpg.connect(database_url)
    try:
        await accounts.create_key(connection, user_id, key)
    finally:
        await connection.close()
    return token.text
