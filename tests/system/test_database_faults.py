"""The real process and a database that fails: clear refusals, no leak, recovery by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from tests.server.graphql.serving import TOKEN, add_user
from tests.system.cluster import Cluster, cluster
from tests.system.program import Server, serving

POOL = 4
# Recovery takes a second when all is well; the bound is the promise.
RECOVERY_SECONDS = 5.0

SETTINGS = {
    "auto_migrate": "true",
    "pool_size": str(POOL),
    "pool_timeout": "1",
    "operation_timeout": "3",
    "member_access": "own",
}
QUERY = "{ sessions(first: 1) { totalCount nodes { id } } }"
ANSWER = {"data": {"sessions": {"totalCount": 0, "nodes": []}}}


class Asker:
    """Asks the server under test."""

    def __init__(self, server: Server) -> None:
        self._server = server
        headers = {"Coder-Session-Token": TOKEN}
        self._client = httpx.AsyncClient(base_url=server.address, headers=headers, timeout=60)

    async def ask(self) -> httpx.Response:
        return await self._client.post("/graphql", json={"query": QUERY})

    async def ask_rest(self) -> httpx.Response:
        return await self._client.get("/api/v2/aibridge/sessions")

    async def status(self, path: str) -> int:
        return (await self._client.get(path)).status_code

    async def recovers(self) -> None:
        """Wait for a right answer, and say so if it takes too long."""
        deadline = time.monotonic() + RECOVERY_SECONDS
        while (response := await self.ask()).status_code != 200:
            assert time.monotonic() < deadline, f"still {response.status_code} {response.text}"
            assert_unavailable(response)
            await asyncio.sleep(0.1)
        assert response.json() == ANSWER
        assert await self.status("/readyz") == 200
        assert self._server.process.poll() is None

    async def close(self) -> None:
        await self._client.aclose()


def assert_unavailable(response: httpx.Response) -> None:
    assert response.status_code == 503, response.text
    assert int(response.headers["retry-after"]) > 0
    body: dict[str, Any] = response.json()
    if response.request.url.path == "/graphql":
        assert {error["extensions"]["code"] for error in body["errors"]} == {"SERVICE_UNAVAILABLE"}
    else:
        assert set(body) == {"message"}
    assert "asyncpg" not in response.text
    assert "postgres" not in response.text.lower()


@asynccontextmanager
async def locked(database: Cluster) -> AsyncIterator[asyncpg.Connection]:
    """Hold a lock that every reading of sessions waits for."""
    connection = await database.connect()
    try:
        async with connection.transaction():
            await connection.execute(
                "LOCK TABLE aibridge_interceptions, aibridge_sessions IN ACCESS EXCLUSIVE MODE"
            )
            yield connection
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError):
        pass
    finally:
        connection.terminate()


async def connections_of_ours(database: Cluster) -> int:
    connection = await database.connect()
    try:
        return len(
            await connection.fetch(
                "SELECT 1 FROM pg_stat_activity WHERE application_name = 'aibridge'"
            )
        )
    finally:
        await connection.close()


@pytest.fixture(scope="module")
async def database() -> AsyncIterator[Cluster]:
    with cluster() as made:
        yield made


@pytest.fixture(scope="module")
async def asker(database: Cluster) -> AsyncIterator[Asker]:
    """One server for all faults, so that each proves that the one before left nothing behind."""
    await database.start()
    database.stop()
    with serving(database_url=database.url, **SETTINGS) as server:
        asker = Asker(server)
        assert await asker.status("/healthz") == 200
        assert await asker.status("/readyz") == 503
        assert_unavailable(await asker.ask())
        await database.start()
        deadline = time.monotonic() + RECOVERY_SECONDS
        while await asker.status("/readyz") != 200:
            assert time.monotonic() < deadline, server.logged()
            await asyncio.sleep(0.1)
        await add_user(database.url)
        await asker.recovers()
        yield asker
        assert "Traceback" not in server.logged()
        await asker.close()


async def test_a_crash_in_mid_query_is_a_503_and_heals(asker: Asker, database: Cluster) -> None:
    async with locked(database):
        asked = [asyncio.create_task(asker.ask()) for _ in range(POOL)]
        await asyncio.sleep(0.5)
        await asyncio.to_thread(database.crash)
        for response in await asyncio.gather(*asked):
            assert_unavailable(response)
    assert await asker.status("/readyz") == 503
    assert await asker.status("/healthz") == 200
    assert_unavailable(await asker.ask())
    await database.start()
    await asker.recovers()
    assert await connections_of_ours(database) <= POOL


async def test_out_of_connections_is_a_503_and_heals(asker: Asker, database: Cluster) -> None:
    others: list[asyncpg.Connection] = []
    control = await database.connect()
    await control.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'aibridge'"
    )
    try:
        while True:
            others.append(await database.connect())
    except asyncpg.TooManyConnectionsError:
        pass
    try:
        assert_unavailable(await asker.ask())
    finally:
        for connection in (*others, control):
            await connection.close()
    await asker.recovers()


async def test_a_slow_database_is_a_timeout_and_heals(asker: Asker, database: Cluster) -> None:
    async with locked(database):
        response = await asker.ask()
        assert response.status_code == 504
        (error, *_) = response.json()["errors"]
        assert error["extensions"]["code"] == "OPERATION_TIMEOUT"
    await asker.recovers()


async def test_more_than_the_pool_wait_a_bounded_time(asker: Asker, database: Cluster) -> None:
    async with locked(database):
        started = time.monotonic()
        asks = [ask() for _ in range(2 * POOL) for ask in (asker.ask, asker.ask_rest)]
        responses = await asyncio.gather(*asks)
        waited = time.monotonic() - started
    refused = [response for response in responses if response.status_code == 503]
    for response in refused:
        assert_unavailable(response)
    assert len(refused) >= 2 * POOL
    assert {response.request.url.path for response in refused} == {
        "/graphql",
        "/api/v2/aibridge/sessions",
    }
    assert {response.status_code for response in responses} <= {503, 504}
    # The pool's wait, the operation's time, and what a busy machine needs.
    assert waited < 1 + 3 + 10
    await asker.recovers()
    assert await connections_of_ours(database) <= POOL


async def test_a_database_that_only_reads_is_served(asker: Asker, database: Cluster) -> None:
    connection = await database.connect()
    try:
        await connection.execute("ALTER DATABASE aibridge SET default_transaction_read_only = on")
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'aibridge'"
        )
        await asker.recovers()
    finally:
        await connection.execute("SET default_transaction_read_only = off")
        await connection.execute("ALTER DATABASE aibridge RESET default_transaction_read_only")
        await connection.close()
