"""Arguments of look-ups: coerced once for an execution, once for all where they are constant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from graphql import (
    FieldNode,
    GraphQLField,
    ListValueNode,
    ObjectValueNode,
    ValueNode,
    VariableNode,
    get_argument_values,
)
from graphql.execution.values import VariableValues

Convert: TypeAlias = Callable[[Mapping[str, Any]], Any]


class Arguments:
    """The arguments of one field of an operation, as its spec wants them.

    Args:
        definition: The field in the schema.
        node: The field in the document.
        convert: The spec's own conversion of the coerced arguments.
        static: Whether the batch is the same for all rows; then nothing is passed on to it but
            what `convert` makes.
    """

    __slots__ = ("_constant", "_convert", "_definition", "_node", "_static")

    def __init__(
        self, definition: GraphQLField, node: FieldNode, convert: Convert | None, *, static: bool
    ) -> None:
        self._definition = definition
        self._node = node
        self._convert = convert
        self._static = static
        self._constant: tuple[Any] | None = None
        if not any(_has_variable(argument.value) for argument in node.arguments or ()):
            try:
                self._constant = (self._value(VariableValues({}, {})),)
            except Exception:  # noqa: BLE001
                # It is the error of the field, made anew by each execution that meets it.
                self._constant = None

    def value(self, variables: VariableValues) -> Any:
        """Return what the look-up takes.

        Raises:
            Exception: An argument can't be coerced or converted: the error of the field.
        """
        return self._value(variables) if self._constant is None else self._constant[0]

    def _value(self, variables: VariableValues) -> Any:
        if self._static and self._convert is None and not self._definition.args:
            return None
        coerced = get_argument_values(self._definition, self._node, variables)
        if self._convert is not None:
            return self._convert(coerced)
        return None if self._static else coerced


def _has_variable(value: ValueNode) -> bool:
    match value:
        case VariableNode():
            return True
        case ListValueNode():
            return any(map(_has_variable, value.values))
        case ObjectValueNode():
            return any(_has_variable(field.value) for field in value.fields)
        case _:
            return False
