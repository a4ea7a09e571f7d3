"""An operation that nobody waits for, or that takes too long, stops; so does its statement."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import httpx
import pytest
from graphql import (
    GraphQLField,
    GraphQLInt,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
)

from db.statement import Statement
from resolvers.asking import Ask
from resolvers.context import Context
from tests.server.graphql.listening import listening
from tests.server.graphql.serving import TOKEN, serving_app

MARK = "a statement that takes its time"
_SLEEP = Statement(f"SELECT 1 FROM (SELECT pg_sleep(60)) AS slept -- {MARK}", (), {})


async def _sleeps(ctx: Context, keys: Sequence[str], _args: None = None) -> list[int]:
    await ctx.db.fetch(_SLEEP)
    return [1] * len(keys)


async def _slow(_root: object, info: Any) -> object:
    return await info.context.load(Ask(_sleeps, "key"))


SCHEMA = GraphQLSchema(
    GraphQLObjectType("Query", {"slow": GraphQLField(GraphQLNonNull(GraphQLInt), resolve=_slow)})
)


@pytest.fixture
async def watcher(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def _wait_for(watcher: asyncpg.Connection, running: int) -> None:
    """Wait until so many of our statements run, seen from another connection."""
    found = None
    for _ in range(200):
        found = await watcher.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND state = 'active'"
            " AND query LIKE '%' || $1 AND pid <> pg_backend_pid()",
            MARK,
        )
        if found == running:
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"{found} statements run instead of {running}")


async def test_the_statement_of_a_client_that_went_away_is_cancelled(
    database_url: str, watcher: asyncpg.Connection
) -> None:
    async with (
        serving_app(database_url, SCHEMA, pool_size=1, operation_timeout=60) as app,
        listening(app) as url,
        httpx.AsyncClient(base_url=url, headers={"Coder-Session-Token": TOKEN}) as client,
    ):
        asked = asyncio.create_task(client.post("/graphql", json={"query": "{ slow }"}, timeout=60))
        await _wait_for(watcher, running=1)
        asked.cancel()
        await _wait_for(watcher, running=0)
        # The only connection is free again, and sound.
        answer = await client.post("/graphql", json={"query": "{ __typename }"})
        assert answer.json() == {"data": {"__typename": "Query"}}


async def test_the_statement_of_an_operation_that_takes_too_long_is_cancelled(
    database_url: str, watcher: asyncpg.Connection
) -> None:
    async with (
        serving_app(database_url, SCHEMA, pool_size=1, operation_timeout=60) as app,
        listening(app) as url,
        httpx.AsyncClient(base_url=url, headers={"Coder-Session-Token": TOKEN}) as client,
    ):
        # PostgreSQL's own limit follows the setting; it is left high to see ours at work.
        settings = app.state.settings.model_copy(update={"operation_timeout": 1.0})
        app.graphql._settings = settings  # type: ignore[attr-defined]
        asked = asyncio.create_task(client.post("/graphql", json={"query": "{ slow }"}, timeout=60))
        await _wait_for(watcher, running=1)
        answer = await asked
        await _wait_for(watcher, running=0)
        after = await client.post("/graphql", json={"query": "{ __typename }"})
    assert answer.status_code == 504
    assert answer.json()["errors"][0]["extensions"] == {"code": "OPERATION_TIMEOUT"}
    assert after.json() == {"data": {"__typename": "Query"}}


async def test_a_statement_over_the_limit_of_the_database_is_a_timeout_too(
    database_url: str,
) -> None:
    async with (
        serving_app(database_url, SCHEMA, operation_timeout=0.5) as app,
        listening(app) as url,
        httpx.AsyncClient(base_url=url, headers={"Coder-Session-Token": TOKEN}) as client,
    ):
        answer = await client.post("/graphql", json={"query": "{ slow }"}, timeout=60)
    assert answer.status_code == 504
    assert answer.json()["errors"][0]["extensions"] == {"code": "OPERATION_TIMEOUT"}
