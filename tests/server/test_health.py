from __future__ import annotations

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
