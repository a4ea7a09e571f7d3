"""Following a database shaped like Coder's, by the statements of docs/replication.md."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import pytest

from db import retention, rollup
from db.database import Database
from db.migrations import tool
from tests.coder import create as make_tables
from tests.factories import Factory
from tests.postgres import folders, installs, newest
from tests.system.program import ROOT, run, serving

_PATIENCE = 60.0
_TOKEN = "aaaaaaaaaa-bbbbbbbbbbbbbbbbbbbbbb"


def _documented(name: str) -> str:
    page = (ROOT / "docs" / "replication.md").read_text()
    (block,) = re.findall(rf"```sql {name}\n(.*?)```", page, re.DOTALL)
    return str(block)


@dataclass
class Pair:
    """Coder's database, ours that follows it, and somebody who writes to the first."""

    publisher_url: str
    url: str
    coder: asyncpg.Connection
    ours: asyncpg.Connection
    make: Factory


async def _until(claim: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not await claim():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.1)


async def _count(connection: asyncpg.Connection, table: str) -> int:
    count: Any = await connection.fetchval(f"SELECT count(*) FROM {table}")
    return int(count)


async def _write(make: Factory, user: Any, session: str) -> Any:
    """Write an interception as the bridge does: begun, with its usages, then ended."""
    made = await make.interception(user, session, ended_at=None)
    await make.token_usage(made, metadata={"a": 1})
    await make.prompt(made)
    await make.tool_usage(made)
    await make.thought(made)
    return made


async def _end(connection: asyncpg.Connection) -> None:
    await connection.execute(
        "UPDATE aibridge_interceptions SET ended_at = started_at WHERE ended_at IS NULL"
    )


@pytest.fixture(scope="module")
async def pair() -> AsyncIterator[Pair]:
    with folders(installs()[0], 1) as (publisher,), folders(newest(), 1) as (subscriber,):
        publisher.make()
        publisher.set({"wal_level": "logical"})
        for server in (publisher, subscriber):
            if server is subscriber:
                server.make()
            server.start()
        publisher_url, url = publisher.create("coder"), subscriber.create("aibridge")
        await tool.upgrade(url)
        coder, ours = await asyncpg.connect(publisher_url), await asyncpg.connect(url)
        await make_tables(publisher_url)
        yield Pair(publisher_url, url, coder, ours, Factory(coder))
        await ours.execute("DROP SUBSCRIPTION IF EXISTS aibridge")
        await coder.close()
        await ours.close()


async def test_what_is_there_is_copied_and_what_comes_is_followed(pair: Pair) -> None:
    user = await pair.make.user("ann", rbac_roles=["auditor"])
    await pair.coder.execute(
        "INSERT INTO api_keys (id, hashed_secret, user_id, expires_at)"
        " VALUES ($1, $2, $3, now() + interval '1 day')",
        _TOKEN[:10],
        hashlib.sha256(_TOKEN[11:].encode()).digest(),
        user,
    )
    for number in range(50):
        await _write(pair.make, user, f"copied {number % 10}")
    await _end(pair.coder)
    await pair.coder.execute(_documented("publisher"))
    host = re.search(r"host=(.*)", pair.publisher_url)
    assert host
    documented = _documented("subscriber")
    assert "host=coder-db dbname=coder user=aibridge_follower" in documented
    for statement in documented.split(";\n"):
        here = f"host={host[1]} dbname=coder user=postgres"
        if statement.strip():
            await pair.ours.execute(
                statement.replace("host=coder-db dbname=coder user=aibridge_follower", here)
            )

    async def copied() -> bool:
        return not await pair.ours.fetch(_documented("waiting")) and bool(
            await _count(pair.ours, "pg_subscription_rel")
        )

    await _until(copied)
    # Written before the rollup is made: it has to be in it all the same.
    await _write(pair.make, user, "between")
    await _end(pair.coder)
    await pair.ours.execute(_documented("ready"))
    done = await asyncio.to_thread(run, "sessions", "rebuild", database_url=pair.url)
    assert done.code == 0, done.stderr
    await _write(pair.make, user, "followed")
    await _end(pair.coder)

    async def followed() -> bool:
        return await _count(pair.ours, "aibridge_sessions") == 12

    await _until(followed)
    for table in (retention.INTERCEPTIONS, *retention.CHILDREN):
        assert await _count(pair.ours, table) == 52
    findings = await rollup.check(pair.url)
    assert findings.is_clean, (findings.triggers, [str(d) for d in findings.differences])


async def test_a_token_of_coders_signs_in_and_reads(pair: Pair) -> None:
    with serving(database_url=pair.url) as server:
        async with httpx.AsyncClient(base_url=server.address, timeout=_PATIENCE) as client:
            response = await client.post(
                "/graphql",
                json={"query": "{ sessions { totalCount nodes { tokenUsage { metadata } } } }"},
                headers={"Coder-Session-Token": _TOKEN},
            )
            ready = (await client.get("/readyz")).json()
    sessions = response.json()["data"]["sessions"]
    assert sessions["totalCount"] == 12
    assert sessions["nodes"][-1] == {"tokenUsage": {"metadata": {"a": 5}}}
    assert ready == {"status": "ready"}


async def test_changes_and_deletes_are_followed_thoughts_stay_until_the_retention(
    pair: Pair,
) -> None:
    await pair.coder.execute("UPDATE aibridge_token_usages SET input_tokens = 1000")
    await pair.coder.execute(
        "UPDATE aibridge_interceptions SET client_session_id = 'moved'"
        " WHERE client_session_id = 'copied 1'"
    )
    gone = "(SELECT id FROM aibridge_interceptions WHERE client_session_id = 'copied 2')"
    await pair.coder.execute(
        "INSERT INTO aibridge_model_thoughts (interception_id, content, created_at)"
        f" SELECT id, 'Hm.', '2020-01-01' FROM {gone} g(id)"
    )
    for table in retention.CHILDREN:
        # The publisher's own deletes go on, also where a table has no key.
        await pair.coder.execute(f"DELETE FROM {table} WHERE interception_id IN {gone}")
    await pair.coder.execute(f"DELETE FROM aibridge_interceptions WHERE id IN {gone}")

    async def followed() -> bool:
        return await _count(pair.ours, "aibridge_sessions") == 11

    await _until(followed)
    findings = await rollup.check(pair.url)
    assert findings.is_clean, (findings.triggers, [str(d) for d in findings.differences])
    assert await _count(pair.ours, "aibridge_tool_usages") == 47
    assert await _count(pair.ours, "aibridge_model_thoughts") == 57
    database = await Database.open(pair.url, pool_size=1)
    assert await retention.is_follower(database)
    limit = retention.Limit(datetime(2021, 1, 1, tzinfo=UTC))
    deleted = sum([batch async for batch in retention.purge(database, limit)], Counter[str]())
    await database.close()
    assert deleted == {"aibridge_model_thoughts": 5}


async def test_with_the_triggers_on_from_the_start_the_copy_fills_the_rollup(pair: Pair) -> None:
    async with asyncio.timeout(_PATIENCE):
        await pair.ours.execute("DROP SUBSCRIPTION aibridge")
        await pair.ours.execute(
            "TRUNCATE aibridge_interceptions, aibridge_token_usages, aibridge_user_prompts,"
            " aibridge_tool_usages, aibridge_model_thoughts, api_keys, users"
        )
        assert await _count(pair.ours, "aibridge_sessions") == 0
        host = pair.publisher_url.partition("host=")[2]
        await pair.ours.execute(
            f"CREATE SUBSCRIPTION aibridge CONNECTION 'host={host} dbname=coder user=postgres'"
            " PUBLICATION aibridge, aibridge_thoughts"
        )

    async def copied() -> bool:
        return not await pair.ours.fetch(_documented("waiting"))

    await _until(copied)
    assert await _count(pair.ours, "aibridge_sessions") == 11
    findings = await rollup.check(pair.url)
    assert findings.is_clean, (findings.triggers, [str(d) for d in findings.differences])
