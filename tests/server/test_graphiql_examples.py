"""The examples that GraphiQL opens with: they fit the schema, find something, say what they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import OperationDefinitionNode, build_schema, parse, validate

from db import demo
from tests.server.callers import make_caller
from tests.server.running import client_of, running_app

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "frontend" / "graphiql" / "examples").glob("*.graphql"))


@pytest.fixture(scope="module")
async def client(shared_database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    await demo.load(shared_database_url, interceptions=400)
    caller = await make_caller(shared_database_url, "owner")
    async with (
        running_app(shared_database_url) as app,
        client_of(app, headers=caller.headers) as client,
    ):
        yield client


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_fits_the_schema(path: Path) -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text("utf-8"))
    assert validate(schema, parse(path.read_text("utf-8"))) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_has_a_title_a_sentence_and_a_name(path: Path) -> None:
    text = path.read_text("utf-8")
    title, about, *_ = text.splitlines()
    assert title.startswith("# ")
    assert not title.endswith(".")
    assert about.startswith("# ")
    (operation,) = parse(text).definitions
    assert isinstance(operation, OperationDefinitionNode)
    assert operation.name is not None


@pytest.mark.parametrize(
    ("name", "query"), [(path.stem, path.read_text("utf-8")) for path in EXAMPLES]
)
async def test_an_example_answers_within_all_limits(
    client: httpx.AsyncClient, name: str, query: str
) -> None:
    answer = await client.post("/graphql", json={"query": query})
    body: dict[str, Any] = answer.json()
    assert "errors" not in body
    # A fresh user has no sessions; everything else finds something in the demo.
    assert _has_rows(body["data"]) is (name != "5-my-token-use")


def _has_rows(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value.get("nodes")) or any(map(_has_rows, value.values()))
    return False
