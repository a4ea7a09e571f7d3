"""What rows carry, as PostgreSQL writes it: every value as graphql-core would have it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from string import Template
from typing import Any

import asyncpg
import orjson
import pytest

from db.database import Database
from tests import coder
from tests.factories import Factory
from tests.graph import Graph

_TEXTS = (
    "",
    "quotes \" and \\ backslashes / and '",
    "lines\nand\ttabs\r and \x01\x1f\x7f",
    "雪の日 · שלום · مرحبا · 👩‍💻 · e\u0301",
    "%s {} $1 :name",
)
_USAGES = """{ interceptions { nodes {
  tokenUsages { __typename id tokenUsageId providerResponseId inputTokens outputTokens
    cacheReadInputTokens cacheWriteInputTokens metadata createdAt }
  userPrompts { id userPromptId text: prompt metadata createdAt again: createdAt }
  toolUsages { id toolUsageId providerToolCallId serverUrl tool input injected invocationError
    metadata createdAt }
  modelThoughts { content metadata createdAt }
} } }"""

_OF_INTERCEPTION = """initiator { id userId username name avatarUrl } userPrompts { id prompt }
  tokenUsages { inputTokens } toolUsages { tool } modelThoughts { content }"""
_OF_SESSION = """initiator { __typename id username } lastPrompt
  tokenUsage { inputTokens metadata }"""

# Each way to the rows that carry, and how many statements the whole takes.
_WAYS = {
    "{ interceptions(first: 4) { nodes { $interception } } }": 1,
    "{ sessions { nodes { interceptions(first: 2) { nodes { $interception } } } } }": 2,
    """{ sessions { edges { node { threads { edges { node {
      interceptions(last: 2) { edges { node { $interception } } } } } } } } } }""": 3,
    "{ sessions(first: 3) { nodes { $session } } }": 1,
    "{ sessions { nodes { threads { nodes { prompt } } } } }": 2,
    "{ interceptions { nodes { thread { prompt } } } }": 2,
    """{ sessions { nodes { threads { nodes { agenticActions { model
      thinking { content } toolCalls { id } } } } } } }""": 3,
    # What the action carries is not what its interception is asked for.
    """{ sessions { nodes { threads { nodes { agenticActions {
      toolCalls { id } interception { toolUsages { tool } } } } } } } }""": 4,
    "{ sessions(orderBy: LAST_ACTIVE_AT_DESC) { nodes { $session } } }": 1,
    "{ viewer { user { sessions(first: 2) { nodes { $session } } } } }": 2,
    "{ interceptions { nodes { session { $session } } } }": 2,
    "{ userPrompts { nodes { interception { $interception } } } }": 2,
}


async def _both(database: Database, query: str) -> tuple[Any, Any]:
    ours = await Graph(database, executor="compiled").ask(query)
    theirs = await Graph(database, executor="reference").ask(query)
    said = [[(e.message, e.path) for e in answer.errors] for answer in (ours, theirs)]
    return (ours.data, said[0]), (theirs.data, said[1])


async def test_values_of_all_kinds_are_as_rows_would_have_them(
    database: Database, make: Factory
) -> None:
    interception = await make.interception(await make.user())
    moments = [
        datetime(2026, 1, 2, 3, 4, 5, micros, tzinfo=UTC) for micros in (0, 1, 120_000, 999_999)
    ]
    for text in _TEXTS:
        await make.prompt(interception, text)
        await make.thought(interception, text, metadata={"source": text, "n": [1, 1.5, None]})
        await make.tool_usage(
            interception, text, input=text, server_url=text, invocation_error=text, injected=True
        )
    for moment in moments:
        await make.tool_usage(interception, created_at=moment)
        await make.token_usage(interception, created_at=moment, input_tokens=2**53 - 1)
    await make.interception(await make.user())
    ours, theirs = await _both(database, _USAGES)
    assert ours == theirs
    assert not ours[1]


@pytest.mark.parametrize(("query", "statements"), _WAYS.items())
async def test_it_comes_with_the_row_as_statements_of_its_own_would_bring_it(
    database: Database, make: Factory, query: str, statements: int
) -> None:
    query = Template(query).substitute(interception=_OF_INTERCEPTION, session=_OF_SESSION)
    user = await make.user(_TEXTS[1] + _TEXTS[3], avatar_url=_TEXTS[2])
    for n in range(3):
        root = await make.interception(user, f"s{n % 2}")
        await make.prompt(root, f"Hello {n}")
        await make.token_usage(
            root, metadata={"b": {"c": 1}, "a": "2", "é": 3, "zz": 4, "none": 0.5}
        )
        child = await make.interception(user, f"s{n % 2}", thread_root_id=root)
        await make.tool_usage(child, "Bash")
        await make.thought(child, "Hm")
    await make.interception(await make.user())
    graph = Graph(database).as_user(user, "auditor")
    ours = await graph.ask(query)
    theirs = await replace(graph, executor="reference").ask(query)
    # As bytes: the order of members counts, that of metadata too.
    assert orjson.dumps(ours.data) == orjson.dumps(theirs.data)
    assert not ours.errors
    if not coder.IS_MEANT:
        # Another program's columns may be of other types: nothing is carried there.
        assert ours.statements == statements


async def test_a_number_that_json_can_not_hold_is_the_error_of_its_field(
    database: Database, make: Factory
) -> None:
    interception = await make.interception(await make.user())
    await make.token_usage(interception, input_tokens=2**53, output_tokens=5)
    query = "{ interceptions { nodes { tokenUsages { outputTokens inputTokens } } } }"
    ours, theirs = await _both(database, query)
    assert ours == theirs
    ((message, path),) = ours[1]
    assert "within ±(2^53-1)" in message
    assert path == ["interceptions", "nodes", 0, "tokenUsages", 0, "inputTokens"]
    fine, _ = await _both(database, "{ interceptions { nodes { tokenUsages { outputTokens } } } }")
    assert not fine[1]


async def test_names_that_clients_choose_make_no_new_statement(
    database: Database, make: Factory
) -> None:
    await make.prompt(await make.interception(await make.user()), "Hello")
    seen: set[str] = set()
    async with database.snapshot() as snapshot:
        snapshot.watch = lambda sql, _rows, _seconds: seen.add(sql)
        for name in ("a", "b", "c"):
            query = f"{{ interceptions {{ nodes {{ userPrompts {{ {name}: prompt }} }} }} }}"
            answer = await Graph(database).in_snapshot(snapshot, query)
            assert answer.data == {"interceptions": {"nodes": [{"userPrompts": [{name: "Hello"}]}]}}
    # Of another program, a list is a statement of its own.
    assert len(seen) == (2 if coder.IS_MEANT else 1)


async def test_as_many_members_as_aliases_are_allowed(database: Database, make: Factory) -> None:
    """A function of PostgreSQL takes a hundred arguments, and each member is up to four."""
    interception = await make.interception(await make.user())
    await make.token_usage(interception)
    members = " ".join(f"a{n}: tokenUsageId b{n}: inputTokens" for n in range(50))
    ours, theirs = await _both(
        database, f"{{ interceptions {{ nodes {{ tokenUsages {{ {members} }} }} }} }}"
    )
    assert ours == theirs
    assert not ours[1]
    assert len(ours[0]["interceptions"]["nodes"][0]["tokenUsages"][0]) == 100


async def test_what_a_text_of_time_can_not_tell_comes_as_rows(
    database: Database, make: Factory, database_url: str
) -> None:
    interception = await make.interception(await make.user())
    await make.prompt(interception, "when?")
    connection = await asyncpg.connect(database_url)
    for moment in ("infinity", "-infinity", "0044-03-15 12:00+00 BC"):
        await connection.execute(f"UPDATE aibridge_user_prompts SET created_at = '{moment}'")
        query = "{ interceptions { nodes { userPrompts { prompt createdAt } } } }"
        ours, theirs = await _both(database, query)
        assert ours == theirs, moment
    await connection.close()


async def test_metadata_that_are_null_in_json_are_as_rows_have_them(
    database: Database, make: Factory, database_url: str
) -> None:
    interception = await make.interception(await make.user())
    await make.prompt(interception, "Hello")
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE aibridge_user_prompts SET metadata = 'null'")
    await connection.close()
    query = "{ interceptions { nodes { userPrompts { prompt metadata } } } }"
    ours, theirs = await _both(database, query)
    assert ours == theirs
