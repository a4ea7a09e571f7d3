"""Make or drop the index of what prompts contain, while others read and write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from db.connections import translated
from db.models import user_prompts
from db.url import for_asyncpg

_NAME = "ix_aibridge_user_prompts_grams"
_DROP = f"DROP INDEX CONCURRENTLY IF EXISTS {_NAME}"
_CREATE = (
    f"CREATE INDEX CONCURRENTLY {_NAME} ON {user_prompts.name} USING gin (aibridge_grams(prompt))"
)

_IS_THERE = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"


async def create(url: str) -> bool:
    """Make the index; return whether it was missing. One that was broken off is made anew."""
    async with _connected(url) as connection:
        if await connection.fetchval(_IS_THERE, _NAME):
            return False
        await connection.execute(_DROP)
        await connection.execute(_CREATE)
        return True


async def drop(url: str) -> bool:
    """Drop the index; return whether it was there."""
    async with _connected(url) as connection:
        was_there = await connection.fetchval(_IS_THERE, _NAME) is not None
        await connection.execute(_DROP)
        return was_there


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    """Lend a connection on which a statement may take as long as it takes."""
    try:
        connection = await asyncpg.connect(
            for_asyncpg(url),
            command_timeout=None,
            server_settings={"application_name": "aibridge", "statement_timeout": "0"},
        )
        try:
            yield connection
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError) as error:
        raise translated(error) from error
