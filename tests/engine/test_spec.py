"""A spec says one thing, and says it completely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from graphql import GraphQLField, GraphQLInt

from engine.spec import EXTENSION, Lookup, Read, spec_of


async def _batch(_context: Any, keys: Sequence[Any], _args: Any) -> Sequence[Any]:
    return keys


@pytest.mark.parametrize("given", [{}, {"attribute": "id", "get": str}])
def test_a_read_is_of_an_attribute_or_by_a_function(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="one of them"):
        Read(**given)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"batch": _batch},
        {"key": "id"},
        {"ask": lambda row, _: row, "batch": _batch, "key": "id"},
        {"ask": lambda row, _: row, "then": "name"},
    ],
)
def test_a_look_up_is_by_ask_or_by_batch_and_key(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="one of them"):
        Lookup(**given)


def test_the_spec_of_a_field_is_found_in_its_extensions() -> None:
    spec = Lookup(batch=_batch, key="id")
    assert spec_of(GraphQLField(GraphQLInt, extensions={EXTENSION: spec})) is spec
    assert spec_of(GraphQLField(GraphQLInt)) is None
