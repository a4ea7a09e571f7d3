"""Sessions and interceptions that PostgreSQL writes whole: every value as graphql-core has it."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from string import Template
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from graphql import is_object_type, parse

from db.database import Database, Snapshot
from db.queries import own, parts
from db.rows import InterceptionRow, SessionRow
from engine import TOLD, Request
from engine.spec import Read, spec_of
from resolvers.carrying import GLOBAL_ID, TYPE_NAMES
from schema.build import graphql_core, schema
from schema.compiled import engine
from tests import coder
from tests.factories import Factory
from tests.graph import Graph

_INTERCEPTION = """__typename id interceptionId provider providerName model client clientSessionId
  apiKeyId credentialKind credentialHint metadata startedAt endedAt durationMs
  initiator { id username } userPrompts { prompt } tokenUsages { id inputTokens metadata }
  toolUsages { tool } modelThoughts { content }"""
_SESSION = """__typename id sessionId providers models client metadata startedAt endedAt
  lastActiveAt lastPrompt threadCount interceptionCount initiator { name }
  tokenUsage { __typename inputTokens outputTokens cacheReadInputTokens cacheWriteInputTokens
    metadata }"""

_TEXTS = ("", "quotes \" and \\ / '", "雪の日 · שלום · 👩‍💻", "a+b/c?d==\n~" * 9, "ÿþ" * 40)


async def _both(database: Database, query: str, caller: UUID | None = None) -> tuple[Any, Any, int]:
    graph = Graph(database).as_user(caller or uuid4(), "auditor")
    ours = await graph.ask(query)
    theirs = await replace(graph, executor="reference").ask(query)
    said = [[(e.message, e.path) for e in answer.errors] for answer in (ours, theirs)]
    # As bytes: the order of members counts.
    told = [orjson.dumps(answer.data) for answer in (ours, theirs)]
    return (told[0], said[0]), (told[1], said[1]), ours.statements


async def _trail(make: Factory) -> UUID:
    """Make interceptions with odd values, and return the last of their initiators."""
    users = [await make.user(f"user {n}", name=text) for n, text in enumerate(_TEXTS)]
    start = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    for n, (user, text) in enumerate(zip(users, _TEXTS, strict=True)):
        for micros in (0, 1, 120_000, 999_999):
            interception = await make.interception(
                user,
                text or None,
                client=text[:60] or None,
                model=text,
                provider_name=text,
                credential_kind=("centralized", "byok")[n % 2],
                credential_hint=("", "...", "sk-a...x9AA", "no dots at all", "ÿ...þ")[n],
                metadata={"text": text, "n": [1, 1.5, None]} if micros else None,
                started_at=start + timedelta(seconds=n, microseconds=micros),
                ended_at=start + timedelta(seconds=n, milliseconds=n * 7, microseconds=999_999),
            )
            await make.prompt(interception, text)
            await make.token_usage(interception, metadata={"b": 1, "a": 2, "é": 3})
            await make.tool_usage(interception, text)
            await make.thought(interception, text)
    return users[-1]


# Each way to rows that tell all of themselves, and how many statements the whole takes.
_WAYS = {
    "{ interceptions(first: 50) { nodes { $interception } } }": 1,
    "{ sessions { edges { cursor node { $session } } pageInfo { endCursor } } }": 1,
    "{ sessions(last: 2) { nodes { $session } } }": 1,
    "{ sessions(orderBy: LAST_ACTIVE_AT_DESC) { nodes { $session } } }": 1,
    "{ viewer { user { sessions { nodes { $session } } } } }": 2,
    "{ toolUsages { nodes { interception { $interception } } } }": 2,
    "{ userPrompts { nodes { interception { session { $session } } } } }": 3,
    "{ sessions { nodes { interceptions(last: 2) { nodes { $interception } } } } }": 2,
}


@pytest.mark.parametrize("row", own.OF)
def test_each_field_that_a_row_has_can_be_told(row: type) -> None:
    type_ = graphql_core(schema).type_map[TYPE_NAMES[row]]
    assert is_object_type(type_)
    specs = {name: spec_of(field) for name, field in type_.fields.items()}
    reads = {name: spec.name for name, spec in specs.items() if isinstance(spec, Read)}
    known = {GLOBAL_ID, *own.OF[row], *own.OBJECTS[row]}
    # Or a list that asks for the field would be read as rows, and take longer.
    assert {name: read for name, read in reads.items() if read not in known} == {}


@pytest.mark.parametrize(("query", "statements"), _WAYS.items())
async def test_each_value_is_as_rows_would_have_it(
    database: Database, make: Factory, query: str, statements: int
) -> None:
    query = Template(query).substitute(interception=_INTERCEPTION, session=_SESSION)
    caller = await _trail(make)
    ours, theirs, taken = await _both(database, query, caller)
    assert ours == theirs
    assert not ours[1]
    if not coder.IS_MEANT:
        # Another program's columns may be of other types: nothing is told there.
        assert taken == statements


@pytest.mark.parametrize(
    "change",
    [
        "aibridge_token_usages SET input_tokens = 9007199254740992",
        "aibridge_token_usages SET output_tokens = 9007199254740991",
        "aibridge_interceptions SET ended_at = 'infinity'",
        "aibridge_interceptions SET started_at = '-infinity'",
        "aibridge_interceptions SET metadata = 'null'",
    ],
)
@pytest.mark.parametrize(
    "query",
    [
        f"{{ sessions {{ nodes {{ {_SESSION} }} }} }}",
        "{ sessions { nodes { tokenUsage { inputTokens } endedAt metadata } } }",
        f"{{ interceptions {{ nodes {{ {_INTERCEPTION} }} }} }}",
        "{ interceptions { nodes { interceptionId durationMs } } }",
    ],
)
async def test_what_can_not_be_told_comes_as_rows_errors_and_all(
    database: Database, make: Factory, database_url: str, change: str, query: str
) -> None:
    await _trail(make)
    connection = await asyncpg.connect(database_url)
    await connection.execute(f"UPDATE {change}")
    await connection.close()
    ours, theirs, _ = await _both(database, query)
    assert ours == theirs


async def test_one_untellable_row_takes_a_second_statement_for_all(
    database: Database, make: Factory
) -> None:
    user = await make.user()
    for n, tokens in enumerate((1, 2**53, 3)):
        interception = await make.interception(user, f"s{n}")
        await make.token_usage(interception, input_tokens=tokens, output_tokens=tokens)
    query = "{ sessions { nodes { sessionId tokenUsage { outputTokens } } } }"
    ours, theirs, statements = await _both(database, query)
    assert ours == theirs
    if not coder.IS_MEANT:
        assert statements == 2
    fine, _, statements = await _both(database, "{ sessions { nodes { sessionId } } }")
    assert (fine[1], statements) == ([], 1)


async def test_aliases_make_no_new_statement(database: Database, make: Factory) -> None:
    await make.interception(await make.user(), "s")
    seen: set[str] = set()
    async with database.snapshot() as snapshot:
        snapshot.watch = lambda sql, _rows, _seconds: seen.add(sql)
        for name in ("a", "b", "c"):
            fields = f"{name}: sessionId tokenUsage {{ {name}: inputTokens }}"
            query = f"{{ sessions {{ nodes {{ {fields} }} }} }}"
            answer = await Graph(database).in_snapshot(snapshot, query)
            assert answer.data == {"sessions": {"nodes": [{name: "s", "tokenUsage": {name: 0}}]}}
    # Of another program, the sums are a statement of their own.
    assert len(seen) == (2 if coder.IS_MEANT else 1)


@pytest.mark.parametrize(
    ("query", "is_single"),
    [
        (f"{{ sessions(first: 5) {{ nodes {{ {_SESSION} }} }} }}", True),
        ('{ node(id: "x") { id ... on Interception { model } } }', True),
        ("{ sessions { totalCount nodes { id } } }", False),
        ('{ node(id: "x") { id ... on Session { threads { nodes { id } } } } }', False),
        ('{ node(id: "x") { ... on Thread { id prompt } } }', False),
        ("{ a: sessions { nodes { id } } b: interceptions { nodes { id } } }", False),
        ("{ interceptions { nodes { id thread { id } } } }", False),
    ],
)
def test_which_operations_need_no_transaction(query: str, is_single: bool) -> None:
    assert engine.plan(Request(parse(query))).is_single is is_single


async def test_things_of_several_types_are_told_of_one_moment(
    database: Database, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await make.user()
    interception = await make.interception(user, "s")
    ids = [f"Interception:{interception}", f"Session:{user}:s", "Nothing:"]
    ids = [base64.urlsafe_b64encode(each.encode()).decode().rstrip("=") for each in ids]
    alone: list[bool] = []
    fetch = Snapshot.fetch

    async def watched(self: Snapshot, *arguments: Any, **options: Any) -> Any:
        alone.append(options.get("alone", False) and self._connection is None)
        return await fetch(self, *arguments, **options)

    monkeypatch.setattr(Snapshot, "fetch", watched)
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename } }"
    assert await Graph(database)(query, ids=ids) == {
        "nodes": [{"__typename": "Interception"}, {"__typename": "Session"}, None]
    }
    assert len(alone) >= 2
    assert not any(alone)
    alone.clear()
    await Graph(database)(query, ids=ids[:1])
    assert alone == [not coder.IS_MEANT]


@pytest.mark.parametrize("row", [SessionRow, InterceptionRow])
def test_what_a_row_tells_of_itself_is_its_last_field(row: Any) -> None:
    assert row._fields[-1] == parts.TOLD == TOLD
