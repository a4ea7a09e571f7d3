"""The static cost of an operation: what it could make the server return.

An object costs 1, a leaf nothing, a field what its `@cost` says, and a list as many of its objects
as `@listSize` lets come. Fragments count wherever they are spread, but each is walked once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
    value_from_ast_untyped,
)

from schema.limits import COUNT_MAX, in_order, spreads_of

# A list whose size nothing tells.
_UNSIZED = 10

# Clients vary page sizes little; this bounds what odd ones may keep.
_COSTS_OF_AN_OPERATION = 64


@dataclass(frozen=True, slots=True)
class FieldCost:
    """What the SDL says of a field.

    Attributes:
        weight: Its own cost, once for each parent (`@cost`).
        size: How many a list is taken to hold where no argument tells (`@listSize`).
        slicing: The arguments that tell: numbers, or lists of what is wanted.
        sized: The fields of the value that are the list; empty where the value is it itself.
    """

    weight: float = 0
    size: int | None = None
    slicing: tuple[str, ...] = ()
    sized: tuple[str, ...] = ()


# By type and field; a field that is not there has no directive.
FieldCosts: TypeAlias = Mapping[tuple[str, str], FieldCost]

_PLAIN = FieldCost()


@dataclass(slots=True)
class _Sum:
    """The cost of a selection set: what is certain, and one element of each list of its own."""

    certain: float = 0
    elements: dict[str, float] = field(default_factory=dict)

    def add(self, other: _Sum) -> None:
        self.certain = min(self.certain + other.certain, COUNT_MAX)
        for name, cost in other.elements.items():
            self.add_element(name, cost)

    def add_element(self, name: str, cost: float) -> None:
        self.elements[name] = min(self.elements.get(name, 0) + cost, COUNT_MAX)

    def total(self, size: float = _UNSIZED, sized: tuple[str, ...] = ()) -> float:
        """Sum up, where the lists named `sized` hold that many."""
        lists = (
            cost * (size if name in sized else _UNSIZED) for name, cost in self.elements.items()
        )
        return min(self.certain + sum(lists), COUNT_MAX)


class Coster:
    """Counts the cost of the operations of one valid document."""

    def __init__(self, schema: GraphQLSchema, costs: FieldCosts, document: DocumentNode) -> None:
        self._schema = schema
        self._costs = costs
        fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        spreads = {name: spreads_of(node) for name, node in fragments.items()}
        self._fragments = [fragments[name] for name in in_order(spreads)]
        # By the identity of the operation: the variables that sizes depend on, and costs by those.
        self._known: dict[int, tuple[tuple[str, ...], dict[tuple[int | str | None, ...], int]]] = {}

    def cost(self, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> int:
        """Return the cost with these variables; ones that are wrong count as not given."""
        known = self._known.get(id(operation))
        if known is not None:
            looked, costs = known
            cost = costs.get(_sizes(looked, variables))
            if cost is not None:
                return cost
        walk = _Walk(self._schema, self._costs, _with_defaults(operation, variables))
        cost = self._counted(operation, walk)
        looked, costs = self._known.setdefault(id(operation), (tuple(sorted(walk.looked)), {}))
        if len(costs) >= _COSTS_OF_AN_OPERATION:
            costs.clear()
        costs[_sizes(looked, variables)] = cost
        return cost

    def _counted(self, operation: OperationDefinitionNode, walk: _Walk) -> int:
        root = self._schema.get_root_type(operation.operation)
        assert root is not None, "validation knows the operation's type"
        for fragment in self._fragments:
            condition = fragment.type_condition.name.value
            walk.known[fragment.name.value] = walk.sum(fragment.selection_set, condition)
        return math.ceil(walk.sum(operation.selection_set, root.name).total())


@dataclass(slots=True)
class _Walk:
    """One walk over a document with one set of variables."""

    schema: GraphQLSchema
    costs: FieldCosts
    variables: Mapping[str, Any]
    known: dict[str, _Sum] = field(default_factory=dict)
    # The variables that sizes depend on; the same whatever their values.
    looked: set[str] = field(default_factory=set)

    def sum(self, selection_set: SelectionSetNode, parent: str) -> _Sum:
        result = _Sum()
        for selection in selection_set.selections:
            if isinstance(selection, FragmentSpreadNode):
                result.add(self.known[selection.name.value])
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                inner = condition.name.value if condition else parent
                result.add(self.sum(selection.selection_set, inner))
            elif isinstance(selection, FieldNode):
                self._add_field(result, selection, parent)
        return result

    def _add_field(self, result: _Sum, node: FieldNode, parent: str) -> None:
        parent_type = self.schema.type_map[parent]
        definition = self.schema.get_field(parent_type, node.name.value)  # type: ignore[arg-type]
        assert definition is not None, "validation knows the field"
        declared = self.costs.get((parent, node.name.value), _PLAIN)
        result.certain = min(result.certain + declared.weight, COUNT_MAX)
        named = get_named_type(definition.type)
        if node.selection_set is None or not is_composite_type(named):
            return
        inner = self.sum(node.selection_set, named.name)
        if declared.size is not None:
            size = self._size(declared, node)
            if declared.sized:
                cost = 1 + inner.total(size, declared.sized)
            else:
                cost = size * (1 + inner.total())
            result.certain = min(result.certain + cost, COUNT_MAX)
        elif is_list_type(get_nullable_type(definition.type)):
            result.add_element(node.name.value, 1 + inner.total())
        else:
            result.certain = min(result.certain + 1 + inner.total(), COUNT_MAX)

    def _size(self, declared: FieldCost, node: FieldNode) -> int:
        sizes = [
            size
            for argument in node.arguments or ()
            if argument.name.value in declared.slicing
            and (size := self._told(argument.value)) is not None
        ]
        return max(sizes) if sizes else declared.size or 0

    def _told(self, node: ValueNode) -> int | None:
        if isinstance(node, VariableNode):
            self.looked.add(node.name.value)
            return _size_of(self.variables.get(node.name.value))
        if isinstance(node, ListValueNode):
            return len(node.values)
        return _size_of(value_from_ast_untyped(node))


def _sizes(looked: tuple[str, ...], variables: Mapping[str, Any]) -> tuple[int | str | None, ...]:
    """Return the sizes that variables tell; empty for one that is absent, which has a default."""
    return tuple(_size_of(variables[name]) if name in variables else "" for name in looked)


def _size_of(value: object) -> int | None:
    if isinstance(value, list):
        return len(value)
    if isinstance(value, float) and value.is_integer():
        # As an argument it is the same as the integer.
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return min(max(value, 0), COUNT_MAX)
    return None


def _with_defaults(
    operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> dict[str, Any]:
    defaults = {
        definition.variable.name.value: value_from_ast_untyped(definition.default_value)
        for definition in operation.variable_definitions or ()
        if definition.default_value is not None
    }
    return defaults | dict(variables)
