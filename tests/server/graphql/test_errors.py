"""What callers see of errors, and what they do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from schema.build import graphql_core
from schema.build import schema as real_schema
from tests.server.graphql.serving import serving


@pytest.fixture(scope="module")
async def client(shared_database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(shared_database_url, operation_timeout=0.2) as client:
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


async def test_the_cost_is_told_where_it_is_asked_for_and_refused_above_its_limit(
    shared_database_url: str,
) -> None:
    schema = graphql_core(real_schema)
    query = "query ($n: Int) { sessions(first: $n) { nodes { id } } }"
    async with serving(shared_database_url, schema, max_cost=100) as client:
        body = {"query": query, "variables": {"n": 99}}
        told = await client.post("/graphql", json=body, headers={"X-Cost": "1"})
        assert told.json() == {
            "data": {"sessions": {"nodes": []}},
            "extensions": {"cost": {"requested": 100, "maximum": 100}},
        }
        refused = await client.post("/graphql", json={"query": query, "variables": {"n": 100}})
    (error,) = refused.json()["errors"]
    assert error["extensions"] == {"code": "QUERY_TOO_COMPLEX"}
    assert error["message"] == (
        "The cost of the operation is 101; at most 100 is allowed (setting AIBRIDGE_MAX_COST)."
    )


async def test_variables_of_too_many_values_are_refused(shared_database_url: str) -> None:
    body = {
        "query": "query ($i: [ID!]!) { nodes(ids: $i) { id } }",
        "variables": {"i": ["x"] * 100},
    }
    schema = graphql_core(real_schema)
    async with serving(shared_database_url, schema, max_variable_values=100) as client:
        refused = (await client.post("/graphql", json=body)).json()
    assert refused["errors"] == [
        {
            "message": (
                "The number of values in the variables is over 100; at most 100 is allowed "
                "(setting AIBRIDGE_MAX_VARIABLE_VALUES)."
            ),
            "extensions": {"code": "QUERY_TOO_COMPLEX"},
        }
    ]
    assert "data" not in refused


async def test_suggestions_are_for_those_who_may_introspect(shared_database_url: str) -> None:
    typo, asked = {"query": "{ thin { name } }"}, {"query": "{ __schema { queryType { name } } }"}
    async with serving(shared_database_url) as client:
        assert "Did you mean" in (await client.post("/graphql", json=typo)).text
        assert "data" in (await client.post("/graphql", json=asked)).json()
    async with serving(shared_database_url, introspection=False) as client:
        assert "Did you mean" not in (await client.post("/graphql", json=typo)).text
        refused = (await client.post("/graphql", json=asked)).json()
        assert refused["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
        assert "data" not in refused
