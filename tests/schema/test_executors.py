"""Both executors give the same answer to whatever may be asked of real data."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import orjson
import pytest
from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    GraphQLError,
    StringValueNode,
    Visitor,
    parse,
    print_ast,
    validate,
    visit,
)
from hypothesis import HealthCheck, Phase, assume, given, note, settings
from hypothesis import strategies as st
from hypothesis_graphql import queries

from db import demo
from db.database import Database
from engine import Request
from schema.build import graphql_core, schema
from schema.compiled import engine
from schema.limits import extents
from tests.engine.documents import harder
from tests.graph import Answer, Graph

# How many operations are tried: a few in a usual run, thousands where it is asked for.
_OPERATIONS = int(os.environ.get("AIBRIDGE_TEST_OPERATIONS", "80"))

# Deeper ones multiply into answers that the reference takes minutes for.
_MAX_DEPTH = 8

_SLOW = (
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.large_base_example,
    HealthCheck.filter_too_much,
    HealthCheck.function_scoped_fixture,
)


def _text(value: object) -> StringValueNode:
    return StringValueNode(value=str(value))


_DOCUMENTS = queries(
    graphql_core(schema),
    custom_scalars={
        "UUID": st.uuids().map(_text),
        "DateTime": st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1)).map(  # noqa: DTZ001
            lambda value: _text(f"{value.isoformat()}Z")
        ),
        "BigInt": st.nothing(),
        "JSON": st.nothing(),
    },
)


@pytest.fixture(scope="module")
async def trail(shared_database_url: str) -> AsyncIterator[Database]:
    """A database with a few invented sessions."""
    until = datetime(2026, 11, 20, 15, tzinfo=UTC)
    await demo.load(shared_database_url, interceptions=60, seed=7, until=until)
    database = await Database.open(shared_database_url, pool_size=2)
    yield database
    await database.close()


@pytest.fixture(scope="module")
async def ids(trail: Database) -> dict[str, list[str]]:
    """Ids of things that are there, by the name of the argument that takes them."""
    data = await Graph(trail)(
        """{ sessions { nodes { id sessionId threads { nodes { id threadId } } } }
        interceptions(first: 9) {
            nodes { id interceptionId initiator { id } toolUsages { id } } } }"""
    )
    sessions, interceptions = data["sessions"]["nodes"], data["interceptions"]["nodes"]
    threads = [thread for each in sessions for thread in each["threads"]["nodes"]]
    users = [each["initiator"] for each in interceptions]
    tools = [tool for each in interceptions for tool in each["toolUsages"]]
    return {
        "id": [each["id"] for each in (*sessions, *threads, *interceptions, *users, *tools)],
        "sessionId": [each["sessionId"] for each in sessions],
        "threadId": [each["threadId"] for each in threads],
        "interceptionId": [each["interceptionId"] for each in interceptions],
    }


class _Aimed(Visitor):
    """Lets generated arguments hit something: fewer filters, and ids that exist."""

    def __init__(self, random: Random, ids: dict[str, list[str]]) -> None:
        super().__init__()
        self._random = random
        self._ids = ids

    def enter_field(self, node: FieldNode, *_: object) -> FieldNode:
        arguments = tuple(
            self._aimed(argument)
            for argument in node.arguments or ()
            if argument.name.value in {*self._ids, "ids"} or self._random.random() < 0.2
        )
        return replace(node, arguments=arguments)

    def _aimed(self, argument: ArgumentNode) -> ArgumentNode:
        known = self._ids.get(argument.name.value)
        if known is None or self._random.random() < 0.1:
            return argument
        return replace(argument, value=_text(self._random.choice(known)))


def _reached(data: Any, path: Sequence[str | int]) -> tuple[str | int, ...]:
    """Return the way along the path to the null that the error became."""
    for depth, key in enumerate(path):
        if data is None:
            return tuple(path[:depth])
        data = data[key]
    return tuple(path)


def _errors(answer: Answer) -> dict[tuple[str | int, ...], list[dict[str, Any]]]:
    """Return the errors by the null that they became."""
    found: dict[tuple[str | int, ...], list[dict[str, Any]]] = {}
    for error in answer.errors:
        assert isinstance(error, GraphQLError)
        found.setdefault(_reached(answer.data, error.path or ()), []).append(dict(error.formatted))
    return found


def assert_same(ours: Answer, theirs: Answer) -> None:
    """Compare two answers, where theirs may have come upon errors in any order.

    Which of several errors makes a parent null is a matter of who is first; so where a null has
    several causes only one must agree.
    """
    assert orjson.dumps(ours.data) == orjson.dumps(theirs.data)
    our_errors, their_errors = _errors(ours), _errors(theirs)
    assert our_errors.keys() == their_errors.keys()
    for place, errors in our_errors.items():
        if len(errors) == len(their_errors[place]) == 1 and errors[0]["path"] == list(place):
            assert errors == their_errors[place]


@settings(
    max_examples=_OPERATIONS, deadline=None, suppress_health_check=_SLOW, phases=[Phase.generate]
)
@given(
    text=_DOCUMENTS,
    seed=st.integers(0, 2**32),
    variables=st.fixed_dictionaries({"a": st.booleans()}, optional={"b": st.booleans()}),
)
async def test_any_operation_is_answered_alike(
    text: str,
    seed: int,
    variables: dict[str, bool],
    trail: Database,
    ids: dict[str, list[str]],
) -> None:
    random = Random(seed)
    document: DocumentNode = visit(parse(text), _Aimed(random, ids))
    document = harder(graphql_core(schema), document, random)
    assume(not validate(graphql_core(schema), document))
    assume(all(extent.depth <= _MAX_DEPTH for _, extent in extents(document)))
    engine.plan(Request(document, variables))
    final = print_ast(document)
    note(final)
    ours = await Graph(trail, executor="compiled").ask(final, **variables)
    theirs = await Graph(trail, executor="reference").ask(final, **variables)
    assert_same(ours, theirs)
    if not ours.errors:
        assert ours.statements <= theirs.statements
