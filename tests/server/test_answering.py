"""An answer is begun for whoever called before, and told only to who is found to call now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import httpx
import pytest

from db.database import Database, Snapshot
from db.errors import DatabaseUnavailableError
from db.queries import credentials
from tests.factories import Factory
from tests.server.callers import Caller, make_caller
from tests.server.running import client_of, running_app

SESSIONS = "/api/v2/aibridge/sessions"
QUERY = "{ sessions { totalCount nodes { sessionId } } }"


@pytest.fixture
async def caller(database_url: str, make: Factory) -> Caller:
    """An auditor; there is one session, which is somebody else's."""
    owner = await make.user()
    await make.interception(owner, "somebody's")
    return await make_caller(database_url, "auditor")


@pytest.fixture
async def client(database_url: str, caller: Caller) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that has seen the caller's key before."""
    async with (
        running_app(database_url) as app,
        client_of(app, headers=caller.headers) as client,
    ):
        assert (await client.get(SESSIONS)).json()["count"] == 1
        yield client


async def _change(database_url: str, statement: str, *arguments: Any) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        assert (await connection.execute(statement, *arguments)).endswith(" 1")
    finally:
        await connection.close()


async def _ask(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/graphql", json={"query": QUERY})


async def test_a_key_that_was_revoked_since_is_refused(
    client: httpx.AsyncClient, caller: Caller, database_url: str
) -> None:
    await _change(database_url, "DELETE FROM api_keys WHERE user_id = $1", caller.user_id)
    # The first request after it finds out, and the others need not.
    response = await client.get(SESSIONS)
    assert response.status_code == 401
    assert response.json()["detail"] == "API key is invalid."
    assert (await client.get(SESSIONS)).json() == response.json()


async def test_nor_is_it_told_what_is_wrong_with_the_request(
    client: httpx.AsyncClient, caller: Caller, database_url: str
) -> None:
    wrong = {"q": "colour:red"}
    assert (await client.get(SESSIONS, params=wrong)).status_code == 400
    await _change(
        database_url, "UPDATE users SET status = 'suspended' WHERE id = $1", caller.user_id
    )
    response = await client.get(SESSIONS, params=wrong)
    assert response.status_code == 401
    assert "suspended" in response.json()["message"]


async def test_graphql_refuses_it_too(
    client: httpx.AsyncClient, caller: Caller, database_url: str
) -> None:
    await _change(database_url, "DELETE FROM api_keys WHERE user_id = $1", caller.user_id)
    response = await _ask(client)
    assert response.status_code == 401
    assert "data" not in response.json()


async def test_rights_are_those_of_now(
    client: httpx.AsyncClient, caller: Caller, database_url: str
) -> None:
    roles = "UPDATE users SET rbac_roles = $2 WHERE id = $1"
    await _change(database_url, roles, caller.user_id, [])
    assert (await client.get(SESSIONS)).json() == {"count": 0, "sessions": []}
    await _change(database_url, roles, caller.user_id, ["auditor"])
    assert (await client.get(SESSIONS)).json()["count"] == 1
    # The body that the first answer read is there for the second one.
    await _change(database_url, roles, caller.user_id, [])
    response = await _ask(client)
    assert response.json()["data"] == {"sessions": {"totalCount": 0, "nodes": []}}


class _Held:
    """Look-ups of keys that are held up until they may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.may_go_on = asyncio.Event()
        self.read = asyncio.Event()
        look_up, fetch = credentials.by_key_ids, Snapshot.fetch

        async def held(database: Database, key_ids: Sequence[str]) -> Any:
            rows = await look_up(database, key_ids)
            await self.may_go_on.wait()
            return rows

        async def noted(snapshot: Snapshot, *arguments: Any, **options: Any) -> Any:
            rows = await fetch(snapshot, *arguments, **options)
            self.read.set()
            return rows

        monkeypatch.setattr(credentials, "by_key_ids", held)
        monkeypatch.setattr(Snapshot, "fetch", noted)


async def test_an_answer_is_begun_and_waits_for_the_look_up(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = _Held(monkeypatch)
    asked = asyncio.create_task(client.get(SESSIONS))
    await asyncio.wait_for(held.read.wait(), 5)
    await asyncio.sleep(0.1)
    assert not asked.done()
    held.may_go_on.set()
    assert (await asked).json()["count"] == 1


async def test_a_look_up_that_fails_is_the_failure_of_the_request(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> Any:
        raise DatabaseUnavailableError("gone")

    monkeypatch.setattr(credentials, "by_key_ids", away)
    response = await client.get(SESSIONS)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "2"
    assert (await _ask(client)).status_code == 503


@pytest.mark.parametrize("body", ["{nope", "[]", ""])
async def test_a_body_that_is_none_is_read_once(
    client: httpx.AsyncClient, caller: Caller, database_url: str, body: str
) -> None:
    await _change(
        database_url, "UPDATE users SET rbac_roles = '{owner}' WHERE id = $1", caller.user_id
    )
    headers = {"Content-Type": "application/json"}
    async with asyncio.timeout(5):
        response = await client.post("/graphql", content=body, headers=headers)
    assert response.status_code == 400


async def test_a_refusal_does_not_wait_for_the_answer(
    client: httpx.AsyncClient, caller: Caller, database_url: str
) -> None:
    await _change(database_url, "DELETE FROM api_keys WHERE user_id = $1", caller.user_id)
    connection = await asyncpg.connect(database_url)
    await connection.execute("BEGIN; LOCK TABLE aibridge_user_prompts")
    try:
        async with asyncio.timeout(5):
            assert (await client.get(SESSIONS)).status_code == 401
    finally:
        await connection.close()


async def test_an_answer_leaves_the_look_up_its_connection(
    database_url: str, caller: Caller
) -> None:
    async with (
        running_app(database_url, pool_size=1, pool_timeout=0.5) as app,
        client_of(app, headers=caller.headers) as client,
    ):
        assert (await client.get(SESSIONS)).status_code == 200
        connection = await asyncpg.connect(database_url)
        await connection.execute("BEGIN; LOCK TABLE aibridge_user_prompts")
        asked = asyncio.create_task(client.get(SESSIONS))
        await asyncio.sleep(1)
        await connection.close()
        assert (await asked).status_code == 200
