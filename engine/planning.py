"""Planning: from an operation to the tree of its regions, before any code is generated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from graphql import (
    DirectiveNode,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_object_type,
)
from graphql.execution.collect_fields import (
    FieldDetailsList,
    FragmentDetails,
    GroupedFieldSet,
    collect_fields,
    collect_subfields,
)
from graphql.execution.values import VariableValues
from graphql.language import Visitor, visit

from engine.arguments import Arguments
from engine.plan import Field, Region, Selection
from engine.spec import EXTENSION, TOLD, Column, Lookup, Read, spec_of
from engine.variables import Variables

# A field of an abstract type is planned once for each possible type, so plans may be much larger
# than documents. One of this size takes some tenths of a second to compile.
_MAX_FIELDS = 5_000

_CONDITIONS = frozenset({"skip", "include"})


class UncoveredError(Exception):
    """The operation holds something that the engine leaves to graphql-core."""


class Operation:
    """An operation of a document, with the fragments that it may use.

    Attributes:
        node: Its definition.
        fragments: All fragments of the document.
        conditions: The names of the variables that `@skip` and `@include` look at.
        variables: Coerces its variables.
    """

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, name: str | None) -> None:
        self.document = document
        self.node = _operation(document, name)
        self.fragments = {
            definition.name.value: FragmentDetails(definition)
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self.conditions = _conditions(document)
        self.variables = Variables(schema, self.node)


class Planner:
    """Lays out one operation, for one set of values of the variables in its conditions."""

    def __init__(
        self, schema: GraphQLSchema, operation: Operation, variables: VariableValues
    ) -> None:
        self._schema = schema
        self._operation = operation
        self._variables = variables
        self._fields = 0
        self._regions = 0
        self._selections: dict[str, list[Selection]] = defaultdict(list)

    def plan(self) -> Region:
        """Return the region of the root.

        Raises:
            UncoveredError: The operation is better left to graphql-core.
        """
        root = self._schema.query_type
        assert root is not None
        collected = collect_fields(
            self._schema,
            self._operation.fragments,
            self._variables,
            root,
            self._operation.node,
        )
        selection = self._selection(root, collected.grouped_field_set)
        # Whoever fetches rows knows of their type only, not for which place they are.
        unique = [found[0] for found in self._selections.values() if len(found) == 1]
        for each in unique:
            _carry(each)
        for each in unique:
            if self._schema.type_map[each.type_name].extensions.get(EXTENSION) == TOLD:
                each.told = _members(each)
        return self._region(root, {root.name: selection}, "root")

    def _selection(self, parent: GraphQLObjectType, grouped: GroupedFieldSet) -> Selection:
        fields = tuple(self._field(parent, key, details) for key, details in grouped.items())
        selection = Selection(parent.name, fields)
        self._selections[parent.name].append(selection)
        return selection

    def _field(self, parent: GraphQLObjectType, key: str, details: FieldDetailsList) -> Field:
        self._fields += 1
        if self._fields > _MAX_FIELDS:
            raise UncoveredError(f"its plan would have more than {_MAX_FIELDS} fields")
        node = details[0].node
        name = node.name.value
        definition = self._schema.get_field(parent, name)
        if definition is None:
            raise UncoveredError(f"there is no field {parent.name}.{name}")
        nodes = [detail.node for detail in details]
        if name == "__typename":
            return Field(key, name, parent.name, definition.type, nodes, None, {})
        spec = spec_of(definition)
        if spec is None:
            raise UncoveredError(f"{parent.name}.{name} has no spec")
        shape = self._shape(definition.type, details)
        if isinstance(spec, Read):
            if definition.args:
                raise UncoveredError(f"{parent.name}.{name} is a read with arguments")
            return Field(key, name, parent.name, definition.type, nodes, spec, shape)
        arguments = Arguments(definition, node, spec.arguments, static=spec.batch is not None)
        region = self._region(definition.type, shape, key)
        return Field(key, name, parent.name, definition.type, nodes, spec, shape, arguments, region)

    def _shape(self, type_: GraphQLOutputType, details: FieldDetailsList) -> dict[str, Selection]:
        named = get_named_type(type_)
        if is_leaf_type(named):
            return {}
        return {
            possible.name: self._selection(possible, self._subfields(possible, details))
            for possible in self._possible(named)
        }

    def _subfields(self, type_: GraphQLObjectType, details: FieldDetailsList) -> GroupedFieldSet:
        return collect_subfields(
            self._schema,
            self._operation.fragments,
            self._variables,
            self._operation.node,
            type_,
            details,
        ).grouped_field_set

    def _possible(self, named: GraphQLNamedType) -> Collection[GraphQLObjectType]:
        if is_abstract_type(named):
            return self._schema.get_possible_types(named)
        assert is_object_type(named)
        return (named,)

    def _region(self, type_: GraphQLOutputType, shape: Mapping[str, Selection], key: str) -> Region:
        self._regions += 1
        name = f"{key}_{self._regions}"
        return Region(name, type_, shape, tuple(_stops(shape)))


def _carry(selection: Selection) -> None:
    """Have the rows of a selection carry what of them is looked up, where they can."""
    by_attribute: dict[str, list[Field]] = defaultdict(list)
    for field in selection.lookups:
        if isinstance(field.spec, Lookup) and field.spec.carried is not None:
            by_attribute[field.spec.carried].append(field)
    for fields in by_attribute.values():
        # What several fields want of a row is better fetched once, as rows that they share.
        if len(fields) == 1:
            fields[0].columns = _columns(fields[0].shape)


def _columns(shape: Mapping[str, Selection]) -> tuple[Column, ...] | None:
    """Return what is read of a value without looking further, where that can be told as JSON."""
    if not shape:
        return ()
    if len(shape) > 1:
        return None
    (selection,) = shape.values()
    members = _members(selection)
    # What leads on is no matter of one row any more.
    return None if members is None or any(each.below is not None for each in members) else members


def _members(selection: Selection) -> tuple[Column, ...] | None:
    """Return what is selected of an object, where all of it can be told as JSON."""
    columns = [_column(field) for field in selection.fields]
    members = tuple(column for column in columns if column is not None)
    # Where all is skipped nothing is left to be told.
    return members if members and len(members) == len(columns) else None


def _column(field: Field) -> Column | None:
    is_alias = field.key != field.name
    if field.spec is None:
        return Column(field.key, field.parent, is_type=True, is_alias=is_alias)
    if isinstance(field.spec, Lookup):
        name, below = field.spec.carried, field.columns
        found = name is not None and below is not None
    else:
        name, below = field.spec.name, None
        found = name is not None and len(field.shape) <= 1
        if found and field.shape:
            (selection,) = field.shape.values()
            below = _members(selection)
            found = below is not None
    return Column(field.key, name or "", is_alias=is_alias, below=below) if found else None


def _stops(shape: Mapping[str, Selection]) -> list[Selection]:
    stops = []
    for selection in shape.values():
        if selection.lookups:
            stops.append(selection)
        for field in selection.fields:
            if field.region is None:
                stops.extend(_stops(field.shape))
    return stops


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    found = [
        definition
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
        and (name is None or (definition.name is not None and definition.name.value == name))
    ]
    if not found or (name is None and len(found) > 1):
        raise UncoveredError("the document has no such operation, or several")
    if found[-1].operation is not OperationType.QUERY:
        raise UncoveredError(f"it is a {found[-1].operation.value}")
    return found[-1]


class _Survey(Visitor):
    """Finds the directives of a document, and the variables that conditions look at."""

    def __init__(self) -> None:
        super().__init__()
        self.variables: dict[str, None] = {}

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        if node.name.value not in _CONDITIONS:
            raise UncoveredError(f"it uses the directive @{node.name.value}")
        for argument in node.arguments or ():
            if argument.value.kind == "variable":
                self.variables[argument.value.name.value] = None  # type: ignore[attr-defined]

    def enter_fragment_definition(self, node: FragmentDefinitionNode, *_: object) -> None:
        if node.variable_definitions:
            raise UncoveredError(f"the fragment {node.name.value} has variables")


def _conditions(document: DocumentNode) -> tuple[str, ...]:
    survey = _Survey()
    visit(document, survey)
    return tuple(survey.variables)
