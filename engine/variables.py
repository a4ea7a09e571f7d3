"""Variables of an operation: what their definitions say, found once for all requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    Undefined,
    VariableDefinitionNode,
    coerce_input_value,
    get_nullable_type,
    get_variable_values,
    is_leaf_type,
    is_non_null_type,
)
from graphql.execution.get_variable_signature import (
    GraphQLVariableSignature,
    get_variable_signature,
)
from graphql.execution.values import VariableValues, VariableValueSource

# As graphql-core has it: enough to mend a form, too few to fill a log.
_MAX_ERRORS = 50

NONE = VariableValues({}, {})


class InvalidVariablesError(Exception):
    """The variables of a request have wrong values."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = errors


class Variables:
    """Coerces the variables of one operation, as graphql-core does.

    Where every value is a right one of a scalar or an enum, as most are, it is done by what was
    found beforehand; else graphql-core does all of it, and says what is wrong.
    """

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> None:
        self._schema = schema
        self._definitions = operation.variable_definitions or ()
        self._leaves = _leaves(schema, self._definitions)

    def coerced(self, given: Mapping[str, Any] | None, *, hide_suggestions: bool) -> VariableValues:
        """Return the values for what a request gives.

        Raises:
            InvalidVariablesError: Something is wrong with it.
        """
        if not self._definitions:
            return NONE
        return self._of_leaves(given or {}) or self._by_graphql_core(given or {}, hide_suggestions)

    def _of_leaves(self, given: Mapping[str, Any]) -> VariableValues | None:
        if self._leaves is None:
            return None
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for signature in self._leaves:
            name = signature.name
            value = given.get(name, Undefined)
            sources[name] = VariableValueSource(signature, value)
            if value is not Undefined:
                coerced[name] = coerce_input_value(value, signature.type)
                if coerced[name] is Undefined:
                    return None
            elif signature.default is not None or is_non_null_type(signature.type):
                return None
        return VariableValues(sources, coerced)

    def _by_graphql_core(self, given: Mapping[str, Any], hide_suggestions: bool) -> VariableValues:
        values = get_variable_values(
            self._schema,
            self._definitions,
            dict(given),
            max_errors=_MAX_ERRORS,
            hide_suggestions=hide_suggestions,
        )
        if isinstance(values, list):
            raise InvalidVariablesError(values)
        return values


def _leaves(
    schema: GraphQLSchema, definitions: Sequence[VariableDefinitionNode]
) -> list[GraphQLVariableSignature] | None:
    """Return what the definitions say, if all are of scalars and enums; None if some are not."""
    found = []
    for definition in definitions:
        signature = get_variable_signature(schema, definition)
        if isinstance(signature, GraphQLError) or not is_leaf_type(
            get_nullable_type(signature.type)
        ):
            return None
        found.append(signature)
    return found
