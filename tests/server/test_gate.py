from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.server.running import client_of, running_app

SHUT = {"message": "AI Bridge is not enabled for this deployment."}


@pytest.fixture(scope="module")
async def client(shared_database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with running_app(shared_database_url, enabled=False) as app, client_of(app) as client:
        yield client


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        "/graphql",
        "/graphql/",
        "/api/v2/aibridge",
        "/api/v2/aibridge/sessions",
        "/api/v2/ai-gateway/interceptions",
        "/api/v2/aibridge/anthropic/v1/messages",
    ],
)
async def test_a_shut_gate_refuses_before_authentication(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    response = await client.request(method, path)
    assert (response.status_code, response.json()) == (403, SHUT)
    assert response.headers["content-type"] == "application/json; charset=utf-8"


async def test_a_shut_gate_leaves_the_probes_alone(client: httpx.AsyncClient) -> None:
    assert (await client.get("/readyz")).status_code == 200
    assert (await client.get("/graphqlx")).status_code == 404
