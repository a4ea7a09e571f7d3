"""Several servers of several processes behind a balancer, on one PostgreSQL behind pgbouncer."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx

from tests.factories import Factory
from tests.server.graphql.serving import TOKEN, add_user
from tests.system.program import serving
from tests.system.test_pgbouncer import pooled

_PAGE = """
query ($after: String) {
  sessions(first: 3, after: $after) {
    totalCount nodes { sessionId } pageInfo { endCursor hasNextPage }
  }
}
"""
_SETTINGS = {"statement_cache_size": "0", "workers": "2", "retention": "30"}


async def test_any_replica_answers_any_request(database_url: str) -> None:
    await add_user(database_url)
    connection = await asyncpg.connect(database_url)
    make = Factory(connection)
    user = await make.user(created_at=datetime(2020, 1, 1, tzinfo=UTC))
    now = datetime.now(UTC)
    for number in range(20):
        await make.interception(user, f"s{number}", started_at=now - timedelta(minutes=number))
    old = now - timedelta(days=31)
    for number in range(20):
        await make.interception(user, f"old{number}", started_at=old)

    with pooled(database_url) as url, ExitStack() as stack:
        servers = [stack.enter_context(serving(database_url=url, **_SETTINGS)) for _ in range(3)]
        headers = {"Coder-Session-Token": TOKEN}
        async with httpx.AsyncClient(headers=headers, timeout=60) as client:
            turns = itertools.cycle(server.address for server in servers)

            async def ask(after: str | None = None) -> dict[str, Any]:
                asked = {"query": _PAGE, "variables": {"after": after}}
                response = await client.post(f"{next(turns)}/graphql", json=asked)
                sessions: dict[str, Any] = response.json()["data"]["sessions"]
                return sessions

            # One of all the processes deletes what is old.
            deadline = time.monotonic() + 30
            while (await ask())["totalCount"] != 20:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)

            # A cursor that one gave is good at every other.
            found: list[str] = []
            page = await ask()
            while True:
                found += [node["sessionId"] for node in page["nodes"]]
                if not page["pageInfo"]["hasNextPage"]:
                    break
                page = await ask(page["pageInfo"]["endCursor"])
            assert found == [f"s{number}" for number in range(20)]

            # With one gone, the others go on.
            assert servers.pop().stop() == 0
            turns = itertools.cycle(server.address for server in servers)
            answers = await asyncio.gather(*(ask() for _ in range(30)))
            assert {answer["totalCount"] for answer in answers} == {20}
        for server in servers:
            assert server.stop() == 0
            assert "Traceback" not in server.logged()
            assert '"level":"error"' not in server.logged()
    await connection.close()
