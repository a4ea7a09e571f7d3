"""The static cost: what an operation could make the server return."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from graphql import get_introspection_query, get_operation_ast, parse, validate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schema.build import graphql_core, schema
from schema.cost import field_costs
from schema.costing import Coster
from schema.limits import COUNT_MAX
from tests.schema.limits import default_limits

SCHEMA = graphql_core(schema)
COSTS = field_costs(SCHEMA)


def cost(text: str, **variables: Any) -> int:
    document = parse(text)
    assert validate(SCHEMA, document) == []
    operation = get_operation_ast(document)
    assert operation is not None
    return Coster(SCHEMA, COSTS, document).cost(operation, variables)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ __typename }", 0),
        ("{ models(limit: 1000) }", 0),
        ("{ viewer { canReadAll } }", 1),
        # The connection, then the nodes.
        ("{ sessions(first: 3) { nodes { id } } }", 1 + 3),
        # An edge is an object of its own.
        ("{ sessions(first: 3) { edges { node { id } } } }", 1 + 3 * 2),
        ("{ sessions(last: 3) { nodes { id } pageInfo { endCursor } } }", 1 + 3 + 1),
        # No argument: the page that comes then.
        ("{ sessions { nodes { id } } }", 1 + 50),
        ("{ sessions(first: null) { nodes { id } } }", 1 + 50),
        ("{ sessions(first: 0) { nodes { id } } }", 1),
        ("{ sessions(first: -5) { nodes { id } } }", 1),
        ("{ sessions(first: 3) { totalCount } }", 1 + 10),
        ("{ sessions(first: 2) { nodes { threads(first: 3) { nodes { id } } } } }", 1 + 2 * 5),
        ('{ nodes(ids: ["a", "b", "c"]) { id } }', 3),
        ('{ node(id: "a") { ... on Interception { toolUsages { id } } } }', 1 + 3),
    ],
)  # fmt: skip
def test_the_cost_is_the_number_of_objects_that_could_come(text: str, expected: int) -> None:
    assert cost(text) == expected


def test_variables_tell_the_size_and_their_defaults_too() -> None:
    text = "query ($n: Int = 7) { sessions(first: $n) { nodes { id } } }"
    assert cost(text) == 1 + 7
    assert cost(text, n=3) == 1 + 3
    assert cost(text, n="three") == 1 + 50
    assert cost(text, n=True) == 1 + 50
    # GraphQL takes an integral float for an Int.
    assert cost(text, n=900.0) == 1 + 900
    assert cost(text, n=2.5) == 1 + 50
    ids = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    assert cost(ids, ids=["a"] * 9) == 9


def test_a_cost_that_is_remembered_is_that_of_the_same_sizes() -> None:
    """The id and the name decide nothing; an absent variable is not one that is null."""
    text = """query ($n: Int = 7, $ids: [ID!], $id: ID!, $name: String) {
      sessions(first: $n, filter: {initiator: $name}) { nodes { id } }
      nodes(ids: $ids) { id } node(id: $id) { id } }"""
    document = parse(text)
    operation = get_operation_ast(document)
    assert operation is not None
    coster = Coster(SCHEMA, COSTS, document)
    given: list[dict[str, Any]] = [
        {},
        {"n": None},
        {"n": 3, "ids": ["a", "b"], "id": "x"},
        {"n": 3, "ids": ["c", "d"], "id": "y", "name": "me"},
        {"n": 2, "ids": ["a", "b", "c"]},
        {"n": "3"},
        {"n": True},
        {"n": [1] * 4},
        *({"n": n} for n in range(100)),
    ]
    for variables in given * 2:
        fresh = Coster(SCHEMA, COSTS, document)
        assert coster.cost(operation, variables) == fresh.cost(operation, variables), variables


def test_a_size_of_the_connection_reaches_into_fragments() -> None:
    text = """
    { sessions(first: 3) { ...page } }
    fragment page on SessionConnection { nodes { id } }
    """
    assert cost(text) == 1 + 3


def test_the_page_that_is_promised_is_let_through_and_a_larger_one_is_not() -> None:
    text = """
    query ($sessions: Int) {
      sessions(first: $sessions) { edges { node { threads(first: 10) { edges { node {
        interceptions(first: 10) { edges { node {
          tokenUsages { id } userPrompts { id } toolUsages { id } modelThoughts { content }
        } } } } } } } } }
    }
    """
    ceiling = default_limits().max_cost
    assert cost(text, sessions=100) <= ceiling
    assert cost(text, sessions=1000) > ceiling


def test_the_usual_introspection_is_let_through() -> None:
    introspection = cost(get_introspection_query(input_value_deprecation=True))
    assert introspection <= default_limits().max_cost


def test_fragments_that_multiply_end_at_the_highest_count() -> None:
    nested = "interceptions(first: 1000) { nodes { session { ...f{next} } } }"
    fragments = "".join(
        f"fragment f{n} on Session {{ {nested.replace('{next}', str(n + 1))} }} " for n in range(12)
    )
    text = f"{{ sessions {{ nodes {{ ...f0 }} }} }} {fragments} fragment f12 on Session {{ id }}"
    assert cost(text) == COUNT_MAX


@dataclass
class Selection:
    """Of a session: some of its threads and what their sessions are asked, or a fragment."""

    first: int | None
    fragment: int | None = None
    below: list[Selection] = field(default_factory=list)

    def text(self) -> str:
        if self.fragment is not None:
            return f"...f{self.fragment}"
        arguments = "" if self.first is None else f"(first: {self.first})"
        inner = " ".join(selection.text() for selection in self.below)
        return f"threads{arguments} {{ nodes {{ session {{ id {inner} }} }} }}"

    def naive(self, fragments: list[list[Selection]]) -> int:
        if self.fragment is not None:
            return sum(s.naive(fragments) for s in fragments[self.fragment])
        inner = sum(selection.naive(fragments) for selection in self.below)
        return 1 + (50 if self.first is None else self.first) * (1 + 1 + inner)


FIRST = st.none() | st.integers(0, 9)
FIELD = st.builds(Selection, FIRST)
TREE = st.recursive(
    FIELD | st.builds(Selection, st.none(), st.integers(0, 2)),
    lambda inner: st.builds(Selection, FIRST, st.none(), st.lists(inner, max_size=2)),
    max_leaves=4,
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(TREE, min_size=1, max_size=2),
    st.lists(st.lists(FIELD, min_size=1, max_size=2), min_size=3, max_size=3),
)
def test_fragments_cost_what_they_would_written_out(
    operation: list[Selection], found: list[list[Selection]]
) -> None:
    # One field name with differing arguments is no valid document; aliases make it one.
    numbers = iter(range(10_000))
    named = lambda s: f"x{next(numbers)}: {s.text()}" if s.fragment is None else s.text()  # noqa: E731
    text = f'{{ session(sessionId: "a") {{ {" ".join(map(named, operation))} }} }}' + "".join(
        f" fragment f{n} on Session {{ {' '.join(map(named, f))} }}" for n, f in enumerate(found)
    )
    document = parse(text)
    query = get_operation_ast(document)
    assert query is not None
    expected = 1 + sum(selection.naive(found) for selection in operation)
    assert Coster(SCHEMA, COSTS, document).cost(query, {}) == min(expected, COUNT_MAX)
