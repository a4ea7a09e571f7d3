"""The reference: the same specs as resolvers of graphql-core, one field at a time.

It is slow and right, and the yardstick of the engine: given one schema and one document, both must
answer the same. It also runs what the engine leaves alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from graphql import (
    GraphQLFieldResolver,
    GraphQLResolveInfo,
    GraphQLSchema,
    is_abstract_type,
    is_object_type,
)

from engine.spec import Ask, Lookup, Read, Spec, ask_of, read, spec_of

# (context, ask) -> what was asked for, or an awaitable of it.
Load: TypeAlias = Callable[[Any, Ask], Any]


def resolver(spec: Spec, load: Load) -> GraphQLFieldResolver:
    """Return the resolver that does what the spec says.

    Args:
        spec: How the value of the field comes about.
        load: Makes a look-up, together with its like: a data loader.
    """
    if isinstance(spec, Read):
        return lambda row, _info, **_arguments: read(spec, row)

    def resolve(row: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        ask = ask_of(spec, row, _arguments(spec, arguments))
        return None if ask is None else load(info.context, ask)

    return resolve


def set_resolvers(
    schema: GraphQLSchema, load: Load, type_of: Callable[[Any], str | None]
) -> GraphQLSchema:
    """Give each field with a spec its resolver, and each abstract type `type_of`.

    Args:
        schema: The schema; it is changed.
        load: Makes a look-up, together with its like: a data loader.
        type_of: Tells the GraphQL type of a row, where its field could return several.
    """
    for type_ in schema.type_map.values():
        if is_object_type(type_):
            for field in type_.fields.values():
                spec = spec_of(field)
                if spec is not None:
                    field.resolve = resolver(spec, load)
        elif is_abstract_type(type_):
            type_.resolve_type = lambda row, _info, _type: type_of(row)
    return schema


def _arguments(spec: Lookup, arguments: Mapping[str, Any]) -> Any:
    if spec.arguments is not None:
        return spec.arguments(arguments)
    return None if spec.batch is not None else arguments
