"""An answer that takes too long, or that nobody waits for, is not worked on any longer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest

from db.statement import Statement
from resolvers.context import Context
from server.rest.endpoint import Answer, Asked, Endpoint, ReadRoute
from server.rest.routes import ENDPOINTS
from tests import coder
from tests.server.callers import Caller, make_caller
from tests.server.graphql.listening import listening
from tests.server.running import client_of, running_app

BASE = "/api/v2/aibridge"
_NAP = Statement("SELECT 1 FROM (SELECT pg_sleep(0.2)) AS slept", (), {})


async def _answer(ctx: Context, _asked: Asked) -> Answer:
    for _ in range(20):
        await ctx.db.fetch(_NAP)
    return Answer("rested")


# Twenty statements, each of them quick.
NAPS = ReadRoute(BASE, (Endpoint("naps", ("naps",), _answer),))


@pytest.fixture
async def caller(database_url: str) -> Caller:
    return await make_caller(database_url, "auditor")


@asynccontextmanager
async def locked(database_url: str) -> AsyncIterator[None]:
    """Hold a lock that every reading of the trail waits for."""
    connection = await asyncpg.connect(database_url)
    try:
        rollup = "" if coder.IS_MEANT else ", aibridge_sessions, aibridge_interception_counts"
        await connection.execute(f"BEGIN; LOCK TABLE aibridge_interceptions{rollup}")
        yield
    finally:
        await connection.close()


async def wait_for_statements(database_url: str, running: int) -> None:
    """Wait until so many of our statements run; one that is cancelled ends beside the answer."""
    connection = await asyncpg.connect(database_url)
    deadline = time.monotonic() + 5
    try:
        while running != await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'aibridge'"
            " AND state = 'active' AND datname = current_database()"
        ):
            assert time.monotonic() < deadline, f"there are never {running} statements"
            await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def test_many_quick_statements_together_have_no_more_time_than_one(
    database_url: str, caller: Caller
) -> None:
    async with (
        running_app(database_url, operation_timeout=0.5) as app,
        client_of(app, headers=caller.headers) as client,
    ):
        app.router.routes.insert(0, NAPS)
        began = time.monotonic()
        response = await client.get(f"{BASE}/naps")
        assert time.monotonic() - began < 2.5
        assert response.status_code == 504
        assert response.json() == {
            "message": "The operation took longer than 0.5 s. Ask for less at once, or narrow the"
            " filter (setting AIBRIDGE_OPERATION_TIMEOUT)."
        }
        await wait_for_statements(database_url, running=0)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
async def test_every_endpoint_has_its_time(
    database_url: str, caller: Caller, endpoint: Endpoint
) -> None:
    path = "/".join(segment or "s1" for segment in endpoint.path)
    async with (
        running_app(database_url, operation_timeout=0.3) as app,
        client_of(app, headers=caller.headers) as client,
    ):
        async with locked(database_url):
            response = await client.get(f"{BASE}/{path}")
            assert response.status_code == 504
            assert response.json()["message"].startswith("The operation took longer than ")
            await wait_for_statements(database_url, running=0)
        assert (await client.get(f"{BASE}/models")).json() == []


async def test_a_busy_pool_is_a_503_that_says_when_to_come_back(
    database_url: str, caller: Caller
) -> None:
    settings = {"pool_size": 1, "pool_timeout": 0.2, "operation_timeout": 5}
    async with (
        running_app(database_url, **settings) as app,
        client_of(app, headers=caller.headers) as client,
    ):
        app.router.routes.insert(0, NAPS)
        napping = asyncio.create_task(client.get(f"{BASE}/naps"))
        await asyncio.sleep(0.5)
        response = await client.get(f"{BASE}/models")
        assert response.status_code == 503
        assert "all its database connections are in use" in response.json()["message"]
        assert int(response.headers["retry-after"]) > 0
        ready = await client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json() == {"message": "All database connections are in use."}
        assert (await napping).json() == "rested"
        assert (await client.get(f"{BASE}/models")).status_code == 200


async def test_the_statement_of_a_client_that_went_away_is_cancelled(
    database_url: str, caller: Caller
) -> None:
    async with (
        running_app(database_url, pool_size=1, operation_timeout=60) as app,
        listening(app) as url,
        httpx.AsyncClient(base_url=url, headers=caller.headers) as client,
    ):
        app.router.routes.insert(0, NAPS)
        asked = asyncio.create_task(client.get(f"{BASE}/naps", timeout=60))
        await wait_for_statements(database_url, running=1)
        asked.cancel()
        # The only connection is free again, and sound, long before the twenty are done.
        began = time.monotonic()
        assert (await client.get(f"{BASE}/models")).json() == []
        assert time.monotonic() - began < 2
