"""Only the columns that an operation reads are fetched, and every field finds its own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from graphql import is_leaf_type, is_object_type
from graphql.type import GraphQLObjectType, get_named_type

from db import demo
from db.database import Database
from resolvers.carrying import TYPE_NAMES
from schema.build import graphql_core, schema
from tests.graph import Graph

_USAGES = {
    "TokenUsage": "tokenUsages",
    "UserPrompt": "userPrompts",
    "ToolUsage": "toolUsages",
    "ModelThought": "modelThoughts",
}


def _selection(type_: GraphQLObjectType, name: str) -> str:
    """Return the field with the least that can be selected of it."""
    named = get_named_type(type_.fields[name].type)
    if is_leaf_type(named):
        return name
    return f"{name} {{ __typename }}"


def _queries(type_name: str, field: str) -> list[str]:
    """Return an operation for every way to a type, each of which reads the one field alone."""
    if type_name == "Interception":
        page = f"interceptions(first: 20) {{ nodes {{ {field} }} }}"
        ways = [
            page,
            f"sessions(first: 20) {{ nodes {{ {page} threads {{ nodes {{ {page} }} }} }} }}",
            f"interceptions(first: 9) {{ nodes {{ parent {{ {field} }} }} }}",
        ]
    elif type_name == "Session":
        page = f"sessions(first: 20) {{ nodes {{ {field} }} }}"
        ways = [
            page,
            page.replace("first: 20", "last: 5, orderBy: LAST_ACTIVE_AT_DESC"),
            f"interceptions(first: 9) {{ nodes {{ session {{ {field} }} }} }}",
            f"interceptions(first: 9) {{ nodes {{ initiator {{ {page} }} }} }}",
        ]
    elif type_name == "User":
        ways = [
            f"{rows}(first: 20) {{ nodes {{ initiator {{ {field} }} }} }}"
            for rows in ("interceptions", "sessions")
        ]
    elif type_name == "Thread":
        ways = [
            f"sessions(first: 20) {{ nodes {{ threads {{ nodes {{ {field} }} }} }} }}",
            f"interceptions(first: 9) {{ nodes {{ thread {{ {field} }} }} }}",
        ]
    elif type_name == "AgenticAction":
        actions = f"agenticActions {{ {field} }}"
        ways = [f"sessions(first: 20) {{ nodes {{ threads {{ nodes {{ {actions} }} }} }} }}"]
    else:
        of = _USAGES[type_name]
        ways = [f"interceptions(first: 20) {{ nodes {{ {of} {{ {field} }} }} }}"]
        if type_name in {"UserPrompt", "ToolUsage"}:
            ways.append(f"{of}(first: 20) {{ nodes {{ {field} }} }}")
    return [f"{{ {way} }}" for way in ways]


def _fields() -> list[tuple[str, str]]:
    found = []
    for name in TYPE_NAMES.values():
        type_ = graphql_core(schema).type_map[name]
        assert is_object_type(type_)
        found += [(name, _selection(type_, field)) for field in type_.fields]
    return found


@pytest.fixture(scope="module")
async def trail(shared_database_url: str) -> Database:
    until = datetime(2026, 11, 20, 15, tzinfo=UTC)
    await demo.load(shared_database_url, interceptions=60, seed=7, until=until)
    return await Database.open(shared_database_url, pool_size=2)


@pytest.mark.parametrize(("type_name", "field"), _fields())
async def test_a_field_alone_finds_its_columns(trail: Database, type_name: str, field: str) -> None:
    for query in _queries(type_name, field):
        ours = await Graph(trail, executor="compiled")(query)
        theirs = await Graph(trail, executor="reference")(query)
        assert ours == theirs, query


async def _columns_fetched(trail: Database, query: str) -> str:
    seen = []
    async with trail.snapshot() as snapshot:
        snapshot.watch = lambda sql, _rows, _seconds: seen.append(sql)
        await Graph(trail).in_snapshot(snapshot, query)
    return "\n".join(seen)


async def test_long_columns_are_not_fetched_unread(trail: Database) -> None:
    query = "{ interceptions(first: 5) { nodes { model toolUsages { tool %s } } } }"
    assert ".input" not in await _columns_fetched(trail, query % "")
    assert "i.metadata" not in await _columns_fetched(trail, query % "")
    assert ".input" in await _columns_fetched(trail, query % "input")


async def test_two_selections_of_one_thing_share_a_statement(trail: Database) -> None:
    answer = await Graph(trail).ask(
        """{ interceptions(first: 5) { nodes {
        a: toolUsages { tool } b: toolUsages { input interception { model } } model } } }"""
    )
    assert not answer.errors
    # The list, its tool usages once, and the interceptions of those.
    assert answer.statements == 3
