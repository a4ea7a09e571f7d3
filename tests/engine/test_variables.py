"""Variables: what our short way makes of them is what graphql-core makes of them."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLError, OperationDefinitionNode, build_schema, get_variable_values, parse
from hypothesis import given
from hypothesis import strategies as st

from engine.variables import NONE, InvalidVariablesError, Variables

SCHEMA = build_schema(
    """
    type Query { a: Int }
    enum Size { SMALL LARGE }
    scalar Odd
    input Shape { size: Size }
    """
)
DEFINITIONS = [
    "",
    "($id: ID!)",
    "($id: ID!, $n: Int, $s: String)",
    "($n: Int = 3, $size: Size)",
    "($size: Size!, $yes: Boolean, $x: Float)",
    "($odd: Odd)",
    "($ids: [ID!]!)",
    "($shape: Shape, $id: ID)",
    "($out: Query)",
]

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=3),
    st.sampled_from(["SMALL", "LARGE"]),
    st.lists(st.integers(0, 3), max_size=2),
    st.dictionaries(st.sampled_from(["size", "n"]), st.sampled_from(["SMALL", 1]), max_size=2),
)
names = st.sampled_from(["id", "n", "s", "size", "yes", "x", "odd", "ids", "shape", "out", "more"])


def _operation(definitions: str) -> OperationDefinitionNode:
    (node,) = parse(f"query {definitions} {{ a }}").definitions
    assert isinstance(node, OperationDefinitionNode)
    return node


def _ours(variables: Variables, given_values: dict[str, Any]) -> Any:
    try:
        return variables.coerced(given_values, hide_suggestions=False)
    except InvalidVariablesError as error:
        return [each.message for each in error.errors]


@pytest.mark.parametrize("definitions", DEFINITIONS)
@given(given_values=st.dictionaries(names, values, max_size=4))
def test_they_are_coerced_as_graphql_core_does(
    definitions: str, given_values: dict[str, Any]
) -> None:
    node = _operation(definitions)
    ours = _ours(Variables(SCHEMA, node), given_values)
    theirs: Any = get_variable_values(SCHEMA, node.variable_definitions or (), given_values)
    if isinstance(theirs, list):
        assert all(isinstance(error, GraphQLError) for error in theirs)
        theirs = [error.message for error in theirs]
        assert ours == theirs
    else:
        assert ours.coerced == theirs.coerced
        assert {name: source.value for name, source in ours.sources.items()} == {
            name: source.value for name, source in theirs.sources.items()
        }


def test_without_definitions_nothing_is_done() -> None:
    assert Variables(SCHEMA, _operation("")).coerced({"id": 1}, hide_suggestions=False) is NONE
