"""Every example of docs/api.md runs, and finds something in the demo data."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from db import demo
from db.database import Database
from tests.graph import Graph

_DOCS = Path(__file__).parents[2] / "docs"
_EXAMPLES = {
    re.search(r"query (\w+)", text)[1]: text  # type: ignore[index]
    for text in re.findall(r"```graphql\n(.*?)```", (_DOCS / "api.md").read_text(), re.DOTALL)
}


@pytest.fixture(scope="module")
async def demo_graph(shared_database_url: str) -> AsyncIterator[Graph]:
    await demo.load(shared_database_url, interceptions=1500, seed=1)
    database = await Database.open(shared_database_url)
    yield Graph(database)
    await database.close()


@pytest.mark.parametrize("name", _EXAMPLES)
async def test_the_example_runs_and_finds_something(demo_graph: Graph, name: str) -> None:
    found = await demo_graph(
        "{ sessions(first: 1) { nodes { id sessionId threads(first: 1) { nodes { id } } } } }"
    )
    [session] = found["sessions"]["nodes"]
    variables: dict[str, Any] = {
        "Session": {"sessionId": session["sessionId"]},
        "Again": {"ids": [session["id"], session["threads"]["nodes"][0]["id"]]},
    }
    data = await demo_graph(_EXAMPLES[name], **variables.get(name, {}))
    for field, value in data.items():
        assert value, field
        if isinstance(value, dict) and "nodes" in value:
            assert value["nodes"], field
