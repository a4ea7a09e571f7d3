"""The cost directives of the SDL, as IBM's specification has them, and what ours say."""

from __future__ import annotations

from collections.abc import Container
from statistics import fmean

import strawberry
from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema
from strawberry import UNSET
from strawberry.schema_directive import Location
from strawberry.types.field import StrawberryField

from resolvers.paging import DEFAULT_PAGE_SIZE
from schema.costing import FieldCost, FieldCosts


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    description="What the field costs by itself, once for each parent.",
)
class Cost:
    """`@cost`."""

    weight: str = strawberry.directive_field(name="weight")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    description=(
        "How many objects a list is taken to hold: what `slicingArguments` ask for, else "
        "`assumedSize`. With `sizedFields`, the list is what these fields of the value hold."
    ),
)
class ListSize:
    """`@listSize`."""

    assumed_size: int = strawberry.directive_field(name="assumedSize")
    slicing_arguments: list[str] | None = strawberry.directive_field(
        name="slicingArguments", default=UNSET
    )
    sized_fields: list[str] | None = strawberry.directive_field(name="sizedFields", default=UNSET)
    require_one_slicing_argument: bool | None = strawberry.directive_field(
        name="requireOneSlicingArgument", default=UNSET
    )


# Every connection: its page is as long as asked for, and stands in either of two fields.
CONNECTION = ListSize(
    assumed_size=DEFAULT_PAGE_SIZE,
    slicing_arguments=["first", "last"],
    sized_fields=["edges", "nodes"],
    require_one_slicing_argument=False,
)


def list_of(size: int) -> ListSize:
    """Say how many a list usually holds that takes no page arguments."""
    return ListSize(assumed_size=size)


def sizes_by(arguments: Container[str]) -> list[ListSize]:
    """Say by which of its arguments a root field's list is sized, if it has one."""
    if "first" in arguments:
        return [CONNECTION]
    if "ids" in arguments:
        return [ListSize(assumed_size=1, slicing_arguments=["ids"])]
    return []


def field_costs(schema: GraphQLSchema) -> FieldCosts:
    """Return what the directives say of each field, and what introspection would return."""
    costs = dict(_introspection(schema))
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            for name, field in type_.fields.items():
                declared = (field.extensions or {}).get("strawberry-definition")
                if isinstance(declared, StrawberryField) and declared.directives:
                    costs[type_.name, name] = _field_cost(declared)
    return costs


def _field_cost(declared: StrawberryField) -> FieldCost:
    weight, lists = 0.0, None
    for directive in declared.directives:
        if isinstance(directive, Cost):
            weight = float(directive.weight)
        elif isinstance(directive, ListSize):
            lists = directive
    if lists is None:
        return FieldCost(weight)
    return FieldCost(
        weight,
        lists.assumed_size,
        tuple(lists.slicing_arguments or ()),
        tuple(lists.sized_fields or ()),
    )


def _introspection(schema: GraphQLSchema) -> FieldCosts:
    """The schema describes itself in lists as long, on average, as these."""
    types = list(schema.type_map.values())
    objects = [t for t in types if isinstance(t, GraphQLObjectType | GraphQLInterfaceType)]
    fields = [field for type_ in objects for field in type_.fields.values()]
    # Introspection is answered by graphql-core, object by object, without a pause.
    sizes = {
        ("__Schema", "types"): len(types),
        ("__Schema", "directives"): len(schema.directives),
        ("__Type", "fields"): fmean(len(type_.fields) for type_ in objects),
        ("__Type", "interfaces"): 1,
        ("__Type", "possibleTypes"): 1,
        ("__Type", "enumValues"): 1,
        ("__Type", "inputFields"): 1,
        ("__Field", "args"): fmean(len(field.args) for field in fields),
        ("__Directive", "args"): 2,
    }
    return {key: FieldCost(size=max(1, round(size))) for key, size in sizes.items()}
