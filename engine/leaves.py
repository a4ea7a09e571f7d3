"""Leaves: how the values of scalars and enums get into the answer.

What a leaf's own coercion makes of a value is the law. For values that are usual and already what
the answer wants, generated code says so inline, and does not call it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from graphql import GraphQLEnumType, GraphQLLeafType, Undefined
from graphql.pyutils import inspect


@dataclass(frozen=True, slots=True)
class Inline:
    """Python expressions over `{v}` that stand in generated code for the coercion of a scalar.

    Attributes:
        when: True for the values that are written by `then`; all others are coerced as usual.
        then: What is written; orjson must make of it the bytes that the coercion would give.
        names: What the two expressions name beside the built-ins.
    """

    when: str
    then: str = "{v}"
    names: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


# The scalars of the GraphQL specification. An Int is of 32 bits, a Float is finite.
SPECIFIED: Mapping[str, Inline] = MappingProxyType(
    {
        "String": Inline("type({v}) is str"),
        "ID": Inline("type({v}) is str"),
        "Boolean": Inline("type({v}) is bool"),
        "Int": Inline("type({v}) is int and -0x80000000 <= {v} <= 0x7FFFFFFF"),
        "Float": Inline("type({v}) is float and {v} - {v} == 0"),
    }
)


class DeviationError(Exception):
    """A value is not what generated code expects: a null, an error, or something odd."""


def complete(leaf: GraphQLLeafType, value: Any) -> Any:
    """Return the value as it goes into the answer.

    Raises:
        Exception: It can't be a value of the leaf.
    """
    completed = leaf.coerce_output_value(value)
    if completed is None or completed is Undefined:
        raise TypeError(
            f"Expected `{inspect(leaf)}.coerce_output_value({inspect(value)})`"
            f" to return non-nullable value, returned: {inspect(completed)}"
        )
    return completed


def coercion(leaf: GraphQLLeafType) -> Callable[[Any], Any]:
    """Return a function that completes values of the leaf, and knows those of an enum by heart."""

    def coerce(value: Any) -> Any:
        if value is None or value is Undefined or isinstance(value, Exception):
            raise DeviationError
        return complete(leaf, value)

    if isinstance(leaf, GraphQLEnumType):
        return _Names(coerce).__getitem__
    return coerce


class _Names(dict[Any, str]):
    """The names of an enum's values, each found once."""

    def __init__(self, coerce: Callable[[Any], str]) -> None:
        self._coerce = coerce

    def __missing__(self, value: Any) -> str:
        name = self[value] = self._coerce(value)
        return name
