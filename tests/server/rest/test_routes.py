"""Which requests are the endpoints', what stands before them, and the headers of their answers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.server.callers import Caller
from tests.server.rest.world import World
from tests.server.running import client_of, running_app

BASES = ("/api/v2/aibridge", "/api/v2/ai-gateway")
PATHS = ("interceptions", "sessions", "sessions/s1", "models", "clients")
NOT_MOUNTED = {"message": "aibridged handler not mounted"}


@pytest.fixture(scope="module")
async def client(
    shared_database_url: str, auditor: Caller, told: World
) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        running_app(shared_database_url) as app,
        client_of(app, headers=auditor.headers) as client,
    ):
        yield client


@pytest.mark.parametrize("path", PATHS)
async def test_both_base_paths_answer_alike(client: httpx.AsyncClient, path: str) -> None:
    answers = [await client.get(f"{base}/{path}") for base in BASES]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content


@pytest.mark.parametrize("path", PATHS)
async def test_answers_are_the_callers_alone(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(f"{BASES[0]}/{path}")
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert response.headers["Cache-Control"] == "private, no-store"
    assert ("Deprecation" in response.headers) == (path == "interceptions")


async def test_the_deprecated_list_names_its_successor(client: httpx.AsyncClient) -> None:
    for base in BASES:
        response = await client.get(f"{base}/interceptions")
        assert re.fullmatch(r"@\d+", response.headers["Deprecation"])
        assert response.links["successor-version"]["url"] == f"{base}/sessions"


@pytest.mark.parametrize("path", PATHS)
async def test_head_tells_the_headers(client: httpx.AsyncClient, path: str) -> None:
    response = await client.head(f"{BASES[0]}/{path}")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "session"),
        ("GET", "sessions/"),
        ("GET", "sessions/s1/"),
        ("GET", "sessions/s1/threads"),
        ("GET", "Sessions"),
        ("GET", "v1/models"),
        ("GET", "models/gpt-5"),
        ("GET", "sessions%2Fs1"),
        *((method, path) for path in PATHS for method in ("POST", "DELETE", "OPTIONS", "TRACE")),
    ],
)
async def test_all_else_goes_on_to_the_passthrough(
    client: httpx.AsyncClient, base: str, method: str, path: str
) -> None:
    response = await client.request(method, f"{base}/{path}")
    assert (response.status_code, response.json()) == (404, NOT_MOUNTED)


@pytest.mark.parametrize("path", PATHS)
async def test_who_is_not_signed_in_is_told_so(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(
        f"{BASES[0]}/{path}", params={"limit": "x"}, headers={"Coder-Session-Token": ""}
    )
    assert response.status_code == 401
    assert response.json()["message"].startswith("You are signed out")
    assert "WWW-Authenticate" in response.headers


@pytest.mark.parametrize("path", PATHS)
async def test_the_gate_stands_before_all(shared_database_url: str, path: str) -> None:
    async with running_app(shared_database_url, enabled=False) as app, client_of(app) as client:
        for base in BASES:
            response = await client.get(f"{base}/{path}")
            assert response.status_code == 403
            message = "AI Bridge is not enabled for this deployment."
            assert response.json() == {"message": message}
