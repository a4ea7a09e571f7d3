from __future__ import annotations

import asyncpg

from tests.factories import Factory
from tests.graph import Graph
from tests.server.running import client_of, running_app


async def test_a_migrated_database_is_ready(database_url: str) -> None:
    async with running_app(database_url) as app, client_of(app) as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


async def test_without_a_database_the_process_is_healthy_and_not_ready() -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    async with running_app(nowhere) as app, client_of(app) as client:
        assert (await client.get("/healthz")).status_code == 200
        ready = await client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json() == {"message": "The database can't be reached."}


async def test_a_rollup_that_is_not_kept_is_a_warning_and_is_not_read(
    database_url: str, make: Factory
) -> None:
    fault = "trigger aibridge_interceptions.aibridge_sessions_inserted does not fire as it should"
    connection = await asyncpg.connect(database_url)
    await make.interception(await make.user(), "seen")
    asked = "{ sessions { totalCount } }"
    async with running_app(database_url) as app, client_of(app) as client:
        graph = Graph(app.state.database)
        assert (await graph(asked))["sessions"] == {"totalCount": 1}
        await connection.execute(
            "ALTER TABLE aibridge_interceptions DISABLE TRIGGER aibridge_sessions_inserted"
        )
        await make.interception(await make.user(), "unseen by the rollup")
        ready = await client.get("/readyz")
        assert ready.status_code == 200
        assert ready.json() == {"status": "ready", "warnings": [fault]}
        assert (await graph(asked))["sessions"] == {"totalCount": 2}
    await connection.close()
