"""REST and GraphQL tell the same story of one random world, session by session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.server.callers import make_token
from tests.server.rest import world
from tests.server.rest.world import World
from tests.server.running import client_of, running_app

BASE = "/api/v2/aibridge"
TOKENS = "{ inputTokens outputTokens cacheReadInputTokens cacheWriteInputTokens metadata }"
USER = "{ userId username name avatarUrl }"

SESSIONS = f"""
query Sessions($q: String) {{
  sessions(first: 100, q: $q) {{
    totalCount
    nodes {{
      sessionId initiator {USER} providers models client metadata startedAt endedAt threadCount
      tokenUsage {TOKENS} lastPrompt lastActiveAt
    }}
  }}
}}
"""

SESSION = f"""
query Session($sessionId: String!, $initiator: String) {{
  session(sessionId: $sessionId, initiator: $initiator) {{
    threads(first: 100) {{
      nodes {{
        threadId prompt model provider credentialKind credentialHint startedAt endedAt
        tokenUsage {TOKENS}
        agenticActions {{
          model
          tokenUsage {TOKENS}
          thinking {{ content }}
          toolCalls {{
            toolUsageId interception {{ interceptionId }} providerResponseId serverUrl tool
            injected input metadata createdAt
          }}
        }}
      }}
    }}
  }}
}}
"""

INTERCEPTIONS = f"""
query Interceptions($q: String) {{
  interceptions(first: 100, q: $q) {{
    totalCount
    nodes {{ interceptionId apiKeyId initiator {USER} provider providerName model client metadata
             startedAt endedAt }}
  }}
}}
"""

# GraphQL's names as REST spells them, where that is more than another case.
NAMES = {
    "sessionId": "id",
    "threadId": "id",
    "interceptionId": "id",
    "toolUsageId": "id",
    "userId": "id",
    "threadCount": "threads",
    "content": "text",
}


def spelled(value: Any) -> Any:
    """GraphQL's answer with REST's names; what is null is left out."""
    if isinstance(value, list):
        return [spelled(each) for each in value]
    if not isinstance(value, dict):
        return value
    result = {}
    for name, each in value.items():
        if name == "interception":
            result["interception_id"] = each["interceptionId"]
        elif name == "credentialKind":
            result["credential_kind"] = each.lower()
        elif name == "metadata":
            result[name] = each
        elif each is not None:
            snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
            result[NAMES.get(name, snake)] = spelled(each)
    return result


def compared(value: Any) -> Any:
    """Either answer with times as times, and without what is null or an empty text."""
    if isinstance(value, list):
        return [compared(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: datetime.fromisoformat(each) if name.endswith("_at") else compared(each)
        for name, each in value.items()
        if each is not None and each != ""
    }


@asynccontextmanager
async def asking(url: str, token: str, access: str) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        running_app(url, member_access=access) as app,
        client_of(app, headers={"Coder-Session-Token": token}) as client,
    ):
        yield client


async def graph(client: httpx.AsyncClient, query: str, **variables: Any) -> Any:
    response = await client.post("/graphql", json={"query": query, "variables": variables})
    body = response.json()
    assert "errors" not in body, body["errors"]
    return body["data"]


async def rest(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    response = await client.get(f"{BASE}/{path}", params=params)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture(scope="module")
async def told(shared_database_url: str) -> World:
    found = world.random_world(seed=11, size=90)
    await world.write(found, shared_database_url)
    return found


@pytest.fixture(scope="module", params=["auditor", "ada", "nobody"])
async def client(
    request: pytest.FixtureRequest, shared_database_url: str, told: World, auditor: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """Someone who reads everything, their own rows, or nothing."""
    token = auditor.token
    if request.param != "auditor":
        token = await make_token(shared_database_url, told.users[0].id)
    access = "own" if request.param == "ada" else "none"
    async with asking(shared_database_url, token, access) as client:
        yield client


async def test_sessions_agree(client: httpx.AsyncClient) -> None:
    listed = await rest(client, "sessions", limit=100)
    asked = (await graph(client, SESSIONS))["sessions"]
    assert asked["totalCount"] == listed["count"]
    figures = spelled(asked["nodes"])
    for session in figures:
        session["token_usage_summary"] = session.pop("token_usage")
        del session["token_usage_summary"]["metadata"]
    assert compared(figures) == compared(listed["sessions"])


async def test_threads_agree_session_by_session(client: httpx.AsyncClient) -> None:
    for session in (await rest(client, "sessions", limit=100))["sessions"]:
        initiator = session["initiator"]["id"]
        path = f"sessions/{quote(session['id'], safe='')}"
        one = await rest(client, path, initiator=initiator, limit=200)
        asked = await graph(client, SESSION, sessionId=session["id"], initiator=initiator)
        threads = spelled(asked["session"]["threads"]["nodes"])
        assert compared(threads) == compared(one["threads"])


@pytest.mark.parametrize(
    "q", ["", "model:gpt-5", "client:Unknown", 'started_after:"2026-10-01T08:00:20Z"']
)
async def test_filters_agree(client: httpx.AsyncClient, q: str) -> None:
    listed = await rest(client, "interceptions", q=q, limit=100)
    asked = (await graph(client, INTERCEPTIONS, q=q))["interceptions"]
    assert asked["totalCount"] == listed["count"]
    rows = [
        {n: v for n, v in row.items() if n not in {"token_usages", "user_prompts", "tool_usages"}}
        for row in listed["results"]
    ]
    assert compared(spelled(asked["nodes"])) == compared(rows)
    sessions = await rest(client, "sessions", q=q, limit=100)
    same = (await graph(client, SESSIONS, q=q))["sessions"]
    assert same["totalCount"] == sessions["count"]
    assert {(s["sessionId"], s["initiator"]["userId"]) for s in same["nodes"]} == {
        (s["id"], s["initiator"]["id"]) for s in sessions["sessions"]
    }


async def test_a_wrong_search_is_refused_alike(client: httpx.AsyncClient) -> None:
    refused = await client.get(f"{BASE}/sessions", params={"q": "a:1 b:2"})
    details = [each["detail"] for each in refused.json()["validations"]]
    response = await client.post(
        "/graphql", json={"query": SESSIONS, "variables": {"q": "a:1 b:2"}}
    )
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert all(detail in error["message"] for detail in details)
