"""Every version of PostgreSQL that this machine has, beside the embedded one of all other tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from db import demo, retention, rollup
from db.database import Database
from db.migrations import tool
from tests.graph import Graph
from tests.postgres import Install, folders, installs

ASKED = """
{
  sessions(first: 5, filter: { providers: ["anthropic"] }) {
    totalCount
    nodes {
      id sessionId initiator { username } models lastPrompt tokenUsage { inputTokens metadata }
      threads(first: 3) {
        totalCount
        nodes { prompt agenticActions { model } interceptions(first: 2) { nodes { id } } }
      }
    }
  }
  tooled: sessions(first: 2, filter: { tools: ["Read"], startedAfter: "2020-01-01T00:00:00Z" }) {
    totalCount nodes { lastPrompt interceptions(last: 2) { nodes { tokenUsage { outputTokens } } } }
  }
  recent: sessions(first: 3, orderBy: LAST_ACTIVE_AT_DESC) { nodes { lastActiveAt } }
  interceptions(last: 2, filter: { promptContains: "the" }) {
    totalCount
    nodes { tokenUsages { inputTokens } toolUsages { tool } modelThoughts { content } }
  }
  toolUsages(first: 2) { totalCount nodes { tool } }
  models clients
}
"""


@pytest.fixture(scope="module", params=installs(), ids=str)
async def url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    install: Install = request.param
    with folders(install, 1) as (server,):
        server.make()
        server.start()
        made = server.create("aibridge")
        await tool.upgrade(made)
        await demo.load(made, interceptions=300)
        yield made


async def test_the_tables_are_made_and_unmade(url: str) -> None:
    await tool.check(url)
    await tool.downgrade(url, "0001")
    await tool.upgrade(url)
    assert (await rollup.check(url)).is_clean


async def test_questions_are_answered(url: str) -> None:
    database = await Database.open(url, pool_size=2)
    try:
        answers = [
            await Graph(database, executor="compiled")(ASKED),
            await Graph(database, executor="reference")(ASKED),
        ]
    finally:
        await database.close()
    assert answers[0] == answers[1]
    assert answers[0]["sessions"]["nodes"]
    assert answers[0]["interceptions"]["nodes"]


async def test_old_rows_go(url: str) -> None:
    database = await Database.open(url, pool_size=1)
    try:
        limit = retention.Limit(datetime.now(UTC) - timedelta(days=2))
        told = await retention.count(database, limit)
        done = [batch["aibridge_interceptions"] async for batch in retention.purge(database, limit)]
    finally:
        await database.close()
    assert sum(done) == told["aibridge_interceptions"] > 0
    assert (await rollup.check(url)).is_clean
