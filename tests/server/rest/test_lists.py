"""The lists tell what the contract says of a random world, page by page, under every filter."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.server.rest import contract
from tests.server.rest.contract import Test, everything
from tests.server.rest.world import START, World

FILTERS: dict[str, Test] = {
    "": everything,
    "provider:openai": lambda i: i.provider == "openai",
    "provider_name:main": lambda i: i.provider_name == "main",
    "model:gpt-5": lambda i: i.model == "gpt-5",
    'model:"llama3:8b"': lambda i: i.model == "llama3:8b",
    "client:Unknown": lambda i: i.client in {None, "Unknown"},
    "client:100%": lambda i: i.client == "100%",
    'client:"claude code"': lambda _: False,
    "initiator:ADA": lambda i: i.initiator.username == "ada",
    'started_after:"2026-10-01T08:00:09.12Z"': lambda i: (
        i.started_at.isoformat() >= "2026-10-01T08:00:09.120000+00:00"
    ),
    'started_before:"2026-10-01T10:00:12+02:00"': lambda i: (
        (i.started_at - START).total_seconds() <= 12
    ),
    "initiator:bob model:gpt-5 provider:anthropic": lambda i: (
        (
            i.initiator.username,
            i.model,
            i.provider,
        )
        == ("bob", "gpt-5", "anthropic")
    ),
}
OF_SESSIONS: dict[str, Test] = FILTERS | {
    "session_id:s1": lambda i: i.session_id == "s1",
    'session_id:"a/b c" client:Codex': lambda i: i.session_id == "a/b c" and i.client == "Codex",
}


def place(session: Any) -> tuple[datetime, str, str]:
    started_at = datetime.fromisoformat(session["started_at"])
    return started_at, session["id"], session["initiator"]["id"]


async def get(rest: httpx.AsyncClient, path: str, **params: Any) -> Any:
    response = await rest.get(path, params=params)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize("q", FILTERS)
async def test_interceptions_are_told(rest: httpx.AsyncClient, told: World, q: str) -> None:
    expected = contract.interceptions(told, FILTERS[q])
    answer = await get(rest, "interceptions", q=q, limit=1000)
    assert answer == {"count": len(expected), "results": expected}


@pytest.mark.parametrize("q", OF_SESSIONS)
async def test_sessions_are_told(rest: httpx.AsyncClient, told: World, q: str) -> None:
    expected = contract.sessions(told, OF_SESSIONS[q])
    answer = await get(rest, "sessions", q=q, limit=1000)
    assert answer == {"count": len(expected), "sessions": expected}


async def test_keys_stand_in_the_contracts_order(rest: httpx.AsyncClient, told: World) -> None:
    def keys(value: Any) -> Any:
        if isinstance(value, dict):
            return [(name, keys(each)) for name, each in value.items() if name != "metadata"]
        return [keys(each) for each in value] if isinstance(value, list) else None

    assert keys((await get(rest, "interceptions", limit=1000))["results"]) == keys(
        contract.interceptions(told)
    )
    assert keys((await get(rest, "sessions", limit=1000))["sessions"]) == keys(
        contract.sessions(told)
    )


@pytest.mark.parametrize("q", FILTERS)
async def test_pages_of_interceptions_make_the_list(rest: httpx.AsyncClient, q: str) -> None:
    whole = (await get(rest, "interceptions", q=q, limit=1000))["results"]
    found: list[Any] = []
    while True:
        cursor = found[-1]["id"] if found else ""
        page = await get(rest, "interceptions", q=q, limit=7, after_id=cursor)
        assert page["count"] == len(whole)
        found += page["results"]
        if len(page["results"]) < 7:
            break
    assert found == whole


@pytest.mark.parametrize("q", OF_SESSIONS)
async def test_pages_of_sessions_make_the_list(rest: httpx.AsyncClient, q: str) -> None:
    """No session is skipped and none comes twice, also where two users share a session id."""
    whole = (await get(rest, "sessions", q=q, limit=1000))["sessions"]
    found: list[Any] = []
    response = await rest.get("sessions", params={"q": q, "limit": 3})
    while True:
        page = response.json()
        assert page["count"] == len(whole)
        found += page["sessions"]
        if len(page["sessions"]) < 3:
            assert "Link" not in response.headers
            break
        response = await rest.get(rest.base_url.join(response.links["next"]["url"]))
    assert found == whole


@pytest.mark.parametrize(("path", "key"), [("interceptions", "results"), ("sessions", "sessions")])
async def test_offsets_cut_the_same_list(rest: httpx.AsyncClient, path: str, key: str) -> None:
    for q in ("", "model:gpt-5"):
        whole = (await get(rest, path, q=q, limit=1000))[key]
        for offset in (0, 5, len(whole), 10_000):
            page = await get(rest, path, q=q, limit=4, offset=offset)
            assert page["count"] == len(whole)
            assert page[key] == whole[offset : offset + 4]


async def test_without_an_initiator_a_cursor_means_the_first_in_the_list(
    rest: httpx.AsyncClient, told: World
) -> None:
    whole = contract.sessions(told)
    ids = [session["id"] for session in whole]
    shared = next(i for i in ids if ids.count(i) > 1)
    page = await get(rest, "sessions", after_session_id=shared, limit=1000)
    assert page["sessions"] == whole[ids.index(shared) + 1 :]


async def test_a_cursor_that_the_filter_drops_keeps_its_place(
    rest: httpx.AsyncClient, told: World
) -> None:
    whole = contract.sessions(told, lambda i: i.model == "gpt-5")
    listed = {(session["id"], session["initiator"]["id"]) for session in whole}
    for session in contract.sessions(told):
        if (session["id"], session["initiator"]["id"]) not in listed:
            page = await get(
                rest,
                "sessions",
                q="model:gpt-5",
                after_session_id=session["id"],
                after_initiator=session["initiator"]["id"],
            )
            behind = [other for other in whole if place(other) < place(session)]
            assert page["sessions"] == behind


@pytest.mark.parametrize("path", ["models", "clients"])
async def test_values_are_distinct_and_ascend(
    rest: httpx.AsyncClient, told: World, path: str
) -> None:
    values = {i.model if path == "models" else i.client or "Unknown" for i in told.ended}
    whole = sorted(values)
    assert await get(rest, path) == whole
    assert await get(rest, path, limit=2, offset=1) == whole[1:3]
    for prefix in ("gpt-5", "gpt-5_", "Un", "100%", "x", "llama3:", "C", "claude", "_", "%", "\\"):
        expected = [value for value in whole if value.startswith(prefix)]
        assert await get(rest, path, q=f'"{prefix}"') == expected
        assert await get(rest, path, q=f'{path[:-1]}:"{prefix}"') == expected
