"""The careful way: answers in which something failed, with every error in its place.

Generated code stops at the first thing that it does not expect. Then this module goes over the same
values once more, as graphql-core would with resolvers that return at once: depth first, in the
order of the response. So data and errors, and the order of the errors, are those of graphql-core.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from graphql import (
    GraphQLError,
    GraphQLOutputType,
    GraphQLSchema,
    Undefined,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
    located_error,
)
from graphql.pyutils import inspect, is_iterable
from orjson import Fragment

from engine.leaves import complete
from engine.plan import Field, Region, Selection
from engine.spec import TOLD, Read, attempt, read

# The response names and list indices on the way to a value, innermost first; None at the root.
_Path: TypeAlias = tuple[Any, "str | int"] | None


class Gatherer:
    """Finds the objects that look further where generated code could not: goes round what fails.

    A read is made once for each row, so that an object that a read makes is the same one whenever
    it is met.

    Attributes:
        told: How many objects told all of themselves, by their selection.
    """

    def __init__(self, type_of: Callable[[Any], str | None]) -> None:
        self.told: Counter[Selection] = Counter()
        self._type_of = type_of
        self._reads: dict[tuple[Field, int], Any] = {}

    def gather(
        self, region: Region, values: Sequence[Any], *, is_root: bool
    ) -> tuple[list[Any], ...]:
        """Return what the region's own `gather` would, were nothing odd among the values."""
        found: dict[Selection, list[Any]] = {stop: [] for stop in region.stops}
        for value in values:
            objects = (
                self._below(next(iter(region.shape.values())), value)
                if is_root
                else self._objects(region.type, region.shape, value)
            )
            for selection, row in objects:
                if selection in found:
                    found[selection].append(row)
        return tuple(found.values())

    def read(self, field: Field, row: Any) -> Any:
        """Return what the read of the field says of the row, or the exception that it raises."""
        name = (field, id(row))
        if name not in self._reads:
            assert isinstance(field.spec, Read)
            self._reads[name] = attempt(read, field.spec, row)
        return self._reads[name]

    def _objects(
        self, type_: GraphQLOutputType, shape: Mapping[str, Selection], value: Any
    ) -> Iterator[tuple[Selection, Any]]:
        if is_non_null_type(type_):
            type_ = type_.of_type
        if value is None or value is Undefined or isinstance(value, Exception):
            return
        if is_list_type(type_):
            for item in value if is_iterable(value) else ():
                yield from self._objects(type_.of_type, shape, item)
            return
        name = attempt(self._type_of, value) if is_abstract_type(type_) else next(iter(shape), None)
        if isinstance(name, str) and name in shape:
            yield from self._below(shape[name], value)

    def _below(self, selection: Selection, row: Any) -> Iterator[tuple[Selection, Any]]:
        if _told(selection, row) is not None:
            self.told[selection] += 1
            return
        yield selection, row
        for field in selection.fields:
            if field.shape and field.region is None:
                yield from self._objects(field.type, field.shape, self.read(field, row))


class Completer:
    """Completes one answer, collecting its errors.

    Args:
        schema: The schema.
        type_of: Tells the GraphQL type of a row, where its field could return several.
        outcomes: What the look-ups brought: for each field a value or an exception for each of its
            rows, in the order in which they are gathered.

    Attributes:
        errors: The errors so far, in the order of the response.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        type_of: Callable[[Any], str | None],
        outcomes: Mapping[Field, Sequence[Any]],
    ) -> None:
        self._schema = schema
        self._type_of = type_of
        self._gatherer = Gatherer(type_of)
        self._outcomes = outcomes
        self._found: dict[Field, dict[int, Any]] = {}
        self.errors: list[GraphQLError] = []

    def complete(self, root: Region, value: Any) -> dict[str, Any] | None:
        """Return the data of the answer; None where an error reached the root."""
        self._place(root, [value], is_root=True)
        (selection,) = root.shape.values()
        try:
            return self._entries(selection, value, None)
        except GraphQLError as error:
            self.errors.append(error)
            return None

    def _place(self, region: Region, values: Sequence[Any], *, is_root: bool = False) -> None:
        """Note for each row of a look-up what its outcome is."""
        gathered = self._gatherer.gather(region, values, is_root=is_root)
        for stop, rows in zip(region.stops, gathered, strict=True):
            for field in stop.lookups if rows else ():
                outcomes = self._outcomes[field]
                self._found[field] = dict(zip(map(id, rows), outcomes, strict=True))
                assert field.region is not None
                self._place(field.region, outcomes)

    def _object(self, selection: Selection, row: Any, path: _Path) -> dict[str, Any] | Fragment:
        told = _told(selection, row)
        return self._entries(selection, row, path) if told is None else Fragment(told)

    def _entries(self, selection: Selection, row: Any, path: _Path) -> dict[str, Any]:
        return {field.key: self._field(field, row, (path, field.key)) for field in selection.fields}

    def _field(self, field: Field, row: Any, path: _Path) -> Any:
        try:
            return self._value(field, field.type, self._raw(field, row), path)
        except Exception as error:  # noqa: BLE001
            return self._failed(error, field, field.type, path)

    def _raw(self, field: Field, row: Any) -> Any:
        if field.spec is None:
            return field.parent
        if field.region is None:
            return self._gatherer.read(field, row)
        return self._found[field][id(row)]

    def _failed(
        self, error: Exception, field: Field, type_: GraphQLOutputType, path: _Path
    ) -> None:
        located = located_error(error, field.nodes, _as_list(path))
        if is_non_null_type(type_):
            raise located
        self.errors.append(located)

    def _value(self, field: Field, type_: GraphQLOutputType, value: Any, path: _Path) -> Any:
        if isinstance(value, Exception):
            raise value
        if is_non_null_type(type_):
            completed = self._value(field, type_.of_type, value, path)
            if completed is None:
                raise TypeError(
                    f"Cannot return null for non-nullable field {field.parent}.{field.name}."
                )
            return completed
        if value is None or value is Undefined:
            return None
        if isinstance(value, Fragment):
            # Carried by the row, and complete as it is.
            return value
        if is_leaf_type(type_):
            return complete(type_, value)
        return self._composite(field, type_, value, path)

    def _composite(self, field: Field, type_: GraphQLOutputType, value: Any, path: _Path) -> Any:
        if is_list_type(type_):
            return self._list(field, type_.of_type, value, path)
        if is_abstract_type(type_):
            return self._object(field.shape[self._runtime_type(field, type_, value)], value, path)
        (selection,) = field.shape.values()
        return self._object(selection, value, path)

    def _list(self, field: Field, type_: GraphQLOutputType, values: Any, path: _Path) -> list[Any]:
        if not is_iterable(values):
            raise GraphQLError(
                f"Expected Iterable, but did not find one for field '{field.parent}.{field.name}'."
            )
        return [
            self._item(field, type_, value, (path, index)) for index, value in enumerate(values)
        ]

    def _item(self, field: Field, type_: GraphQLOutputType, value: Any, path: _Path) -> Any:
        try:
            return self._value(field, type_, value, path)
        except Exception as error:  # noqa: BLE001
            return self._failed(error, field, type_, path)

    def _runtime_type(self, field: Field, type_: Any, value: Any) -> str:
        name: object = self._type_of(value)
        place = f"for field '{field.parent}.{field.name}'"
        if name is None:
            message = (
                f"Abstract type '{type_}' must resolve to an Object type at runtime {place}."
                f" Either the '{type_}' type should provide a 'resolve_type' function or each"
                " possible type should provide an 'is_type_of' function."
            )
        elif not isinstance(name, str):
            message = (
                f"Abstract type '{type_}' must resolve to an Object type at runtime {place} with"
                f" value {inspect(value)}, received '{inspect(name)}', which is not a valid"
                " Object type name."
            )
        elif (runtime := self._schema.get_type(name)) is None:
            message = (
                f"Abstract type '{type_}' was resolved to a type '{name}' that does not exist"
                " inside the schema."
            )
        elif not is_object_type(runtime):
            message = f"Abstract type '{type_}' was resolved to a non-object type '{name}'."
        elif not self._schema.is_sub_type(type_, runtime):
            message = f"Runtime Object type '{name}' is not a possible type for '{type_}'."
        else:
            return name
        raise GraphQLError(message, field.nodes)


def _told(selection: Selection, row: Any) -> str | None:
    """Return what the row tells of itself, if all that is selected of it."""
    told: str | None = None if selection.told is None else getattr(row, TOLD, None)
    return told


def _as_list(path: _Path) -> list[str | int]:
    keys: list[str | int] = []
    while path is not None:
        path, key = path
        keys.append(key)
    keys.reverse()
    return keys
