"""The real process with two databases: it reads a standby, and writes to the primary."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from tests.factories import Factory
from tests.server.graphql.serving import TOKEN, add_user
from tests.system.cluster import Cluster, cluster
from tests.system.program import run, serving
from tests.system.standby import Standby, standby

_PATIENCE = 30.0
_QUERY = "{ sessions { totalCount } }"


@dataclass
class Pair:
    """A primary, its standby, and a client of the server that has both."""

    primary: Cluster
    standby: Standby
    client: httpx.AsyncClient

    async def sessions(self) -> int:
        """Return how many sessions there are, by the server."""
        response = await self.client.post("/graphql", json={"query": _QUERY})
        assert response.status_code == 200, response.text
        count: int = response.json()["data"]["sessions"]["totalCount"]
        return count


async def _until(claim: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not await claim():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
async def pair() -> AsyncIterator[Pair]:
    with cluster() as primary:
        await primary.start()
        with (
            standby(primary.url) as copy,
            serving(
                database_url=primary.url,
                read_database_url=copy.url,
                auto_migrate="true",
                retention="30",
            ) as server,
        ):
            headers = {"Coder-Session-Token": TOKEN}
            async with httpx.AsyncClient(
                base_url=server.address, headers=headers, timeout=_PATIENCE
            ) as client:
                yield Pair(primary, copy, client)
            assert "Traceback" not in server.logged()
            assert "unexpected error" not in server.logged()


async def test_it_migrates_the_primary_and_reads_the_standby(pair: Pair) -> None:
    async def ready() -> bool:
        return (await pair.client.get("/readyz")).status_code == 200

    await _until(ready)
    await add_user(pair.primary.url)

    async def signed_in() -> bool:
        asked = {"query": "{ viewer { user { username } } }"}
        return (await pair.client.post("/graphql", json=asked)).status_code == 200

    await _until(signed_in)
    writer = await pair.primary.connect()
    make = Factory(writer)
    user = await make.user("ann", created_at=datetime(2020, 1, 1, tzinfo=UTC))
    await make.interception(user, "first", started_at=datetime.now(UTC))

    async def arrived() -> bool:
        return await pair.sessions() == 1

    await _until(arrived)
    await pair.standby.ask("SELECT pg_wal_replay_pause()")
    old = datetime.now(UTC) - timedelta(days=40)
    await make.interception(user, "second", started_at=old)
    await asyncio.sleep(0.5)
    assert await pair.sessions() == 1
    await pair.standby.ask("SELECT pg_wal_replay_resume()")

    async def both() -> bool:
        return await pair.sessions() == 2

    await _until(both)
    await writer.close()


async def test_the_use_of_a_token_is_noted_at_the_primary(pair: Pair) -> None:
    writer = await pair.primary.connect()
    before = await writer.fetchval(
        "UPDATE api_keys SET last_used = now() - interval '1 day' RETURNING last_used"
    )

    async def noted() -> bool:
        await pair.sessions()
        return bool(await writer.fetchval("SELECT last_used > $1 FROM api_keys", before))

    await _until(noted)
    await writer.close()


async def test_commands_write_to_the_primary(pair: Pair) -> None:
    urls = {"database_url": pair.primary.url, "read_database_url": pair.standby.url}
    done = await asyncio.to_thread(run, "purge", "--older-than", "30d", **urls)
    assert done.code == 0, done.stderr

    async def gone() -> bool:
        return await pair.sessions() == 1

    await _until(gone)
    refused = await asyncio.to_thread(
        run, "purge", "--older-than", "1d", database_url=pair.standby.url
    )
    assert refused.code == 2
    assert refused.stderr == "aibridge: Stopped after 0 rows: this database is a standby.\n"


async def test_reading_goes_on_without_the_primary(pair: Pair) -> None:
    await asyncio.to_thread(pair.primary.crash)
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await pair.primary.connect()
    assert await pair.sessions() == 1
    assert (await pair.client.get("/readyz")).status_code == 200
    await pair.primary.start()
    assert await pair.sessions() == 1


def test_a_replica_needs_a_primary() -> None:
    done = run("check", read_database_url="postgresql:///somewhere")
    assert done.code == 2
    assert done.stderr == (
        "aibridge: AIBRIDGE_READ_DATABASE_URL: names a replica, so AIBRIDGE_DATABASE_URL must name"
        " its primary.\n"
    )
