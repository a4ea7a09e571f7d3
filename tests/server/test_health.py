from __future__ import annotations

import asyncio

import asyncpg
import pytest
from sqlalchemy import make_url

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
    fault = (
        "trigger aibridge_interceptions.aibridge_sessions_inserted does not fire as it should: "
        "ALTER TABLE aibridge_interceptions ENABLE TRIGGER aibridge_sessions_inserted"
    )
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


async def test_without_a_probe_the_rollup_is_doubted_soon(
    database_url: str, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.database._BELIEVED_SECONDS", 0.2)
    connection = await asyncpg.connect(database_url)
    await make.interception(await make.user(), "seen")
    asked = "{ sessions { totalCount } }"
    async with running_app(database_url) as app:
        graph = Graph(app.state.database)
        assert (await graph(asked))["sessions"] == {"totalCount": 1}
        await connection.execute(
            "ALTER TABLE aibridge_interceptions DISABLE TRIGGER aibridge_sessions_inserted"
        )
        await make.interception(await make.user(), "unseen by the rollup")
        await asyncio.sleep(0.3)
        assert (await graph(asked))["sessions"] == {"totalCount": 2}
    await connection.close()


async def test_a_role_that_may_read_nothing_is_told_so(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "DROP ROLE IF EXISTS test_blind; CREATE ROLE test_blind LOGIN;"
        " GRANT SELECT ON alembic_version, aibridge_interceptions TO test_blind"
    )
    blind = make_url(database_url).set(username="test_blind").render_as_string(hide_password=False)
    async with running_app(blind) as app, client_of(app) as client:
        ready = await client.get("/readyz")
    await connection.execute("DROP OWNED BY test_blind; DROP ROLE test_blind")
    await connection.close()
    assert ready.status_code == 503
    assert ready.json()["message"] == (
        "The role may not read users, api_keys, aibridge_token_usages, aibridge_user_prompts, "
        "aibridge_tool_usages, aibridge_model_thoughts, aibridge_kinds, aibridge_tool_kinds, "
        "aibridge_sessions, aibridge_session_counts, aibridge_tool_counts, "
        "aibridge_interception_counts: grant it SELECT on the tables."
    )
