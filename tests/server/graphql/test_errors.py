"""What callers see of errors, and what they do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.server.graphql.serving import serving


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(database_url, operation_timeout=0.2) as client:
        yield client


async def test_an_error_of_ours_has_its_code_and_path_beside_the_data(
    client: httpx.AsyncClient,
) -> None:
    response = await client.post("/graphql", json={"query": "{ ok: __typename missing { name } }"})
    assert response.status_code == 200
    assert response.json() == {
        "errors": [
            {
                "message": "There is no such thing.",
                "locations": [{"line": 1, "column": 18}],
                "path": ["missing"],
                "extensions": {"code": "NOT_FOUND"},
            }
        ],
        "data": {"ok": "Query", "missing": None},
    }


async def test_an_unexpected_error_is_one_sentence_with_the_id_that_the_log_has(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    response = await client.post("/graphql", json={"query": "{ broken { name } }"})
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "INTERNAL_SERVER_ERROR"}
    assert "SELECT" not in response.text
    assert "passwd" not in response.text
    logged = "".join(capsys.readouterr())
    assert error["message"].rsplit(" ", 1)[1].rstrip(".") in logged


async def test_an_operation_that_takes_too_long_is_stopped(client: httpx.AsyncClient) -> None:
    response = await client.post("/graphql", json={"query": "{ slow(seconds: 30) }"})
    assert response.status_code == 504
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "OPERATION_TIMEOUT"}
    assert "AIBRIDGE_OPERATION_TIMEOUT" in error["message"]
    assert not [task for task in asyncio.all_tasks() if "slow" in repr(task)]
