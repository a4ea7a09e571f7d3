"""Who sees what through the read endpoints: every kind of caller, every endpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.server.callers import make_caller, make_token
from tests.server.rest import contract
from tests.server.rest.world import World
from tests.server.running import client_of, running_app

NOT_FOUND = {"message": "Session not found."}
BASE = "/api/v2/aibridge"


@asynccontextmanager
async def asking(url: str, token: str, member_access: str) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        running_app(url, member_access=member_access) as app,
        client_of(app, headers={"Coder-Session-Token": token}) as client,
    ):
        yield client


async def get(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    response = await client.get(f"{BASE}/{path}", params={"limit": 200} | params)
    return response.json()


@pytest.mark.parametrize("role", ["owner", "auditor"])
async def test_these_roles_see_everything(shared_database_url: str, told: World, role: str) -> None:
    caller = await make_caller(shared_database_url, role)
    async with asking(shared_database_url, caller.token, "none") as client:
        assert await get(client, "sessions") == {
            "count": len(contract.sessions(told)),
            "sessions": contract.sessions(told),
        }
        assert (await get(client, "interceptions"))["count"] == len(told.ended)


async def test_others_see_nothing_by_default(shared_database_url: str, told: World) -> None:
    token = await make_token(shared_database_url, told.users[0].id)
    mine = next(i for i in told.ended if i.initiator == told.users[0])
    async with asking(shared_database_url, token, "none") as client:
        assert await get(client, "sessions") == {"count": 0, "sessions": []}
        assert await get(client, "sessions", q="initiator:me") == {"count": 0, "sessions": []}
        assert await get(client, "interceptions") == {"count": 0, "results": []}
        assert await get(client, "models") == []
        assert await get(client, "clients") == []
        assert await get(client, f"sessions/{mine.id}") == NOT_FOUND
        assert (await get(client, "interceptions", after_id=mine.id))["detail"] == (
            f"after_id: interception {mine.id} not found: invalid pagination cursor"
        )
        assert (await get(client, "sessions", after_session_id=mine.session_id))["detail"] == (
            f'after_session_id: session "{mine.session_id}" not found'
        )


async def test_others_see_their_own_where_the_deployment_says_so(
    shared_database_url: str, told: World
) -> None:
    ada = told.users[0]
    own = World(told.users, [i for i in told.interceptions if i.initiator == ada])
    foreign = next(i for i in told.ended if i.initiator != ada)
    token = await make_token(shared_database_url, ada.id)
    async with asking(shared_database_url, token, "own") as client:
        sessions = contract.sessions(own)
        assert await get(client, "sessions") == {"count": len(sessions), "sessions": sessions}
        assert await get(client, "sessions", q="initiator:me") == await get(client, "sessions")
        interceptions = contract.interceptions(own)
        assert await get(client, "interceptions") == {
            "count": len(interceptions),
            "results": interceptions,
        }
        assert await get(client, "models") == sorted({i.model for i in own.ended})
        assert await get(client, "clients") == sorted({i.client or "Unknown" for i in own.ended})
        for key in sorted({i.session_key for i in own.ended}):
            answer = await get(client, f"sessions/{quote(key[0], safe='')}")
            assert answer == contract.session(own, key, contract.threads(own, key))
        assert (await get(client, "interceptions", after_id=foreign.id))["detail"] == (
            f"after_id: interception {foreign.id} not found: invalid pagination cursor"
        )
        foreign_path = f"sessions/{quote(foreign.session_id, safe='')}"
        assert await get(client, foreign_path, initiator="bob") == NOT_FOUND
        assert "validations" in await get(client, "sessions", q="initiator:bob")
