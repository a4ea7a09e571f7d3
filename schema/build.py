"""The one schema: Strawberry's types, with each field's spec made executable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import strawberry
from graphql import GraphQLField, GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema
from strawberry.schema.config import StrawberryConfig
from strawberry.types.arguments import convert_arguments
from strawberry.types.base import StrawberryOptional, StrawberryType
from strawberry.types.field import StrawberryField

from engine import reference
from engine.spec import EXTENSION, Lookup, Spec
from resolvers import nodes
from schema.query import Query
from schema.scalars import SCALARS

_NAMES = {kind.row: kind.name for kind in nodes.KINDS}


def type_of(row: object) -> str:
    """Return the name of the type behind an interface that the row is of."""
    return _NAMES[type(row)]


def _build() -> strawberry.Schema:
    built = strawberry.Schema(query=Query, config=StrawberryConfig(scalar_map=SCALARS))
    for graphql_type in graphql_core(built).type_map.values():
        if isinstance(graphql_type, GraphQLInterfaceType):
            graphql_type.resolve_type = lambda row, _info, _type: type_of(row)
        if isinstance(graphql_type, GraphQLObjectType):
            graphql_type.is_type_of = None
            for field in graphql_type.fields.values():
                _make_executable(built, field)
    return built


def graphql_core(built: strawberry.Schema) -> GraphQLSchema:
    """Return graphql-core's view of the schema, which executors work on."""
    return built._schema  # noqa: SLF001 (Strawberry has no public name for it)


def _make_executable(built: strawberry.Schema, field: GraphQLField) -> None:
    declared = (field.extensions or {}).get("strawberry-definition")
    if not isinstance(declared, StrawberryField):
        return
    spec: Spec = declared.metadata[EXTENSION]
    if isinstance(spec, Lookup) and declared.base_resolver is not None:
        spec = replace(spec, arguments=_arguments(built, declared, declared.base_resolver))
    field.extensions[EXTENSION] = spec
    field.resolve = reference.resolver(spec, _load)


def _arguments(
    built: strawberry.Schema, declared: StrawberryField, make: Callable[..., Any]
) -> Callable[[Mapping[str, Any]], Any]:
    """Let a field's function take coerced arguments: GraphQL's names, and dicts for inputs."""
    converter = built.schema_converter
    name_of = converter.config.name_converter.from_argument
    # Nothing is left to be converted of these.
    plain = {name_of(a): a.python_name for a in declared.arguments if _is_plain(a.type)}
    others = [argument for argument in declared.arguments if name_of(argument) not in plain]

    def arguments(coerced: Mapping[str, Any]) -> Any:
        made = {plain[name]: value for name, value in coerced.items() if name in plain}
        if len(made) < len(coerced):
            registry, config = converter.scalar_registry, converter.config
            made |= convert_arguments(dict(coerced), others, registry, config)
        return make(**made)

    return arguments


def _is_plain(type_: StrawberryType | type) -> bool:
    if type(type_) is StrawberryOptional:
        return _is_plain(type_.of_type)
    return type_ in (bool, int, str, strawberry.ID)


def _load(context: Any, ask: Any) -> Any:
    return context.load(ask)


schema = _build()
