"""Real recorded traffic, imported and asked for: it comes out as it was exported."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from db.importing import running
from tests.db.recorded import EXPORT, NDJSON, needs_recordings
from tests.server.callers import make_caller
from tests.server.running import client_of, running_app

pytestmark = needs_recordings

BASE = "/api/v2/aibridge"


@pytest.fixture(scope="module")
async def client(shared_database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    await running.run(shared_database_url, [str(NDJSON)], running.Options())
    caller = await make_caller(shared_database_url, "auditor")
    async with (
        running_app(shared_database_url) as app,
        client_of(app, headers=caller.headers) as client,
    ):
        yield client


async def get(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    response = await client.get(f"{BASE}/{path}", params=params)
    assert response.status_code == 200, response.text
    return response.json()


def encoded(value: Any) -> bytes:
    """The bytes of an entry; PostgreSQL keeps no order of the keys of metadata."""
    if isinstance(value, dict):
        value = {n: dict(sorted(v.items())) if n == "metadata" else v for n, v in value.items()}
        return b"{%s}" % b",".join(
            json.dumps(n).encode() + b":" + encoded(v) for n, v in value.items()
        )
    if isinstance(value, list):
        return b"[%s]" % b",".join(map(encoded, value))
    return json.dumps(value).encode()


async def test_interceptions_are_those_of_the_reference(client: httpx.AsyncClient) -> None:
    answer = await get(client, "interceptions")
    exported = json.loads(EXPORT.read_text())
    assert answer["count"] == exported["count"] == 39
    for ours, theirs in zip(answer["results"], exported["results"], strict=True):
        assert encoded(ours) == encoded(theirs)


async def test_the_figures_are_those_of_the_recordings(client: httpx.AsyncClient) -> None:
    listed = await get(client, "sessions")
    sessions = listed["sessions"]
    assert listed["count"] == len(sessions) == 18
    assert len({session["initiator"]["id"] for session in sessions}) == 5
    assert sum(session["threads"] for session in sessions) == 32
    sums = [session["token_usage_summary"] for session in sessions]
    assert {name: sum(each[name] for each in sums) for name in sums[0]} == {
        "input_tokens": 56_599,
        "output_tokens": 3_064,
        "cache_read_input_tokens": 65_643,
        "cache_write_input_tokens": 22,
    }


async def test_every_thread_is_told_with_its_actions(client: httpx.AsyncClient) -> None:
    threads = []
    for session in (await get(client, "sessions"))["sessions"]:
        one = await get(client, f"sessions/{session['id']}", initiator=session["initiator"]["id"])
        assert len(one["threads"]) == session["threads"]
        threads += one["threads"]
    assert len(threads) == 32
    calls = [call for t in threads for a in t["agentic_actions"] for call in a["tool_calls"]]
    assert len(calls) == 15
    hints = {thread["credential_hint"] for thread in threads}
    assert all(hint == "" or "..." in hint for hint in hints)
    assert "..." in hints


async def test_the_values_are_those_of_the_recordings(client: httpx.AsyncClient) -> None:
    models = await get(client, "models")
    assert len(models) == 10
    assert models[0] == "claude-sonnet-4-0"
    clients = await get(client, "clients")
    assert clients.count("Unknown") == 1
    assert len(clients) == 10
