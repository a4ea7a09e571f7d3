"""The real process on a hot standby: it reads, tells the truth, and outlives what a standby does.

The tests are one story, told in their order: one server lives through all of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import asyncpg
import httpx
import pytest

from db.migrations import tool
from tests.factories import Factory
from tests.server.graphql.serving import TOKEN, add_user
from tests.system.cluster import cluster
from tests.system.program import Server, serving
from tests.system.standby import Standby, standby

_PATIENCE = 30.0
QUERY = "{ sessions(first: 5) { totalCount nodes { id threads { nodes { id } } } } }"
REST = "/api/v2/aibridge/interceptions"
_LAST_USED = "SELECT last_used FROM api_keys"


@dataclass
class Story:
    """Who takes part: a writer at the primary, the standby, and the server that reads from it."""

    primary_url: str
    writer: asyncpg.Connection
    standby: Standby
    server: Server
    client: httpx.AsyncClient

    async def ask(self) -> list[httpx.Response]:
        """Ask through both doors."""
        asked = (self.client.post("/graphql", json={"query": QUERY}), self.client.get(REST))
        return list(await asyncio.gather(*asked))

    async def sessions(self) -> int:
        """Return how many sessions both doors tell of."""
        graphql, rest = await self.ask()
        assert (graphql.status_code, rest.status_code) == (200, 200), graphql.text + rest.text
        count: int = graphql.json()["data"]["sessions"]["totalCount"]
        assert rest.json()["count"] == count
        return count

    async def answers(self) -> bool:
        """Say whether both doors answer; what they say instead must be known."""
        responses = await self.ask()
        for response in responses:
            assert_known(response)
        return all(response.status_code == 200 for response in responses)

    async def readiness(self) -> int:
        return (await self.client.get("/readyz")).status_code


async def until(claim: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not await claim():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.05)


def assert_known(response: httpx.Response) -> None:
    """An answer, or a refusal that says what is the matter and when to come back."""
    if response.status_code == 200:
        assert "errors" not in response.json()
        return
    assert response.status_code == 503, response.text
    assert int(response.headers["retry-after"]) > 0
    assert "conflict" not in response.text


@pytest.fixture(scope="module")
async def story() -> AsyncIterator[Story]:
    with cluster() as primary:
        await primary.start()
        settings = {"auto_migrate": "true", "operation_timeout": "2", "pool_size": "4"}
        with (
            standby(primary.url) as made,
            serving(database_url=made.url, **settings) as server,
        ):
            headers = {"Coder-Session-Token": TOKEN}
            client = httpx.AsyncClient(base_url=server.address, headers=headers, timeout=_PATIENCE)
            writer = await primary.connect()
            yield Story(primary.url, writer, made, server, client)
            await client.aclose()
            await writer.close()
            assert server.process.poll() is None
            assert "Traceback" not in server.logged()
            assert "unexpected error" not in server.logged()


async def test_it_waits_for_the_tables_that_it_can_not_make(story: Story) -> None:
    assert await story.readiness() == 503
    for response in await story.ask():
        assert_known(response)
        assert response.status_code == 503
    await tool.upgrade(story.primary_url)
    await add_user(story.primary_url)
    make = Factory(story.writer)
    await make.interception(await make.user("ann"), "first")

    async def ready() -> bool:
        return await story.readiness() == 200

    await until(ready)

    async def caught_up() -> bool:
        return bool(await story.standby.ask("SELECT count(*) FROM aibridge_sessions"))

    await until(caught_up)
    assert await story.sessions() == 1


async def test_signing_in_writes_nothing(story: Story) -> None:
    await story.writer.execute("UPDATE api_keys SET last_used = now() - interval '1 day'")
    written = await story.writer.fetchval(_LAST_USED)

    async def arrived() -> bool:
        return bool(await story.standby.ask(_LAST_USED) == written)

    await until(arrived)
    assert await story.sessions() == 1
    await asyncio.sleep(0.5)
    assert await story.standby.ask(_LAST_USED) == written


async def test_a_standby_that_lags_tells_of_what_it_has(story: Story) -> None:
    await story.standby.ask("SELECT pg_wal_replay_pause()")
    make = Factory(story.writer)
    await make.interception(await make.user("bea"), "second")
    assert await story.sessions() == 1
    assert await story.readiness() == 200
    await story.standby.ask("SELECT pg_wal_replay_resume()")

    async def both() -> bool:
        return await story.sessions() == 2

    await until(both)


async def test_a_lock_of_the_primary_is_a_timeout(story: Story) -> None:
    other = await asyncpg.connect(story.primary_url)

    async def locked() -> bool:
        return bool(await story.standby.ask("SELECT count(*) FROM users WHERE username = 'eve'"))

    async with story.writer.transaction():
        await story.writer.execute("LOCK TABLE aibridge_interceptions IN ACCESS EXCLUSIVE MODE")
        # What is written later arrives later; and only what is committed is sent at once.
        await Factory(other).user("eve")
        await until(locked)
        assert {response.status_code for response in await story.ask()} == {504}
    await other.close()
    await until(story.answers)


async def test_a_conflict_with_recovery_is_a_503_and_heals(story: Story) -> None:
    async def counted() -> bool:
        return bool(
            await story.standby.ask(
                "SELECT confl_lock > 0 FROM pg_stat_database_conflicts"
                " WHERE datname = current_database()"
            )
        )

    refused = 0
    deadline = time.monotonic() + _PATIENCE
    while not refused:
        assert time.monotonic() < deadline, "nothing stood in the way"
        asked = asyncio.gather(*(story.ask() for _ in range(4)))
        while not asked.done():
            async with story.writer.transaction():
                await story.writer.execute(
                    "LOCK TABLE aibridge_interceptions, users IN ACCESS EXCLUSIVE MODE"
                )
        for response in [each for pair in await asked for each in pair]:
            assert_known(response)
            refused += response.status_code == 503
    await until(story.answers)
    # Backends report what they count a little later.
    await until(counted)


async def test_a_standby_that_is_promoted_goes_on(story: Story) -> None:
    promoting = asyncio.create_task(asyncio.to_thread(story.standby.promote))
    while not promoting.done():
        for response in await story.ask():
            assert_known(response)
    await promoting
    assert not await story.standby.ask("SELECT pg_is_in_recovery()")
    assert await story.sessions() == 2
    assert await story.readiness() == 200
