"""Plans: an operation laid out for being answered level by level.

A plan is a tree of *regions*. A region is the value of one look-up and all that is read from it
without further look-ups; the objects in it that look further are its *stops*. All regions of one
depth are filled at the same time: that is a level.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from graphql import FieldNode, GraphQLOutputType

from engine.arguments import Arguments
from engine.spec import Column, Lookup, Read, attributes_of

# (values of the region, one `next` for each look-up field) -> the completed values.
Build: TypeAlias = Callable[..., list[Any]]

# (values of the region) -> for each stop the objects that are there.
Gather: TypeAlias = Callable[[Sequence[Any]], tuple[list[Any], ...]]


@dataclass(eq=False, slots=True)
class Field:
    """A field of the response: one response name in one selection of one object type.

    Attributes:
        key: The response name.
        name: The name of the field in the schema.
        parent: The name of the object type that it is a field of.
        type: What it returns.
        nodes: Where the document asks for it; more than one where selections were merged.
        spec: How its value comes about; None for `__typename`.
        shape: What is selected of the value, by object type; empty for leaves.
        arguments: Of a look-up: what `ask` takes, or the `args` of the batch.
        region: Of a look-up: its value and all that is read from it.
        columns: Of a look-up whose outcome the rows are to carry: what is read of its objects, none
            where the outcome is a leaf; None where it is looked up in any case.
    """

    key: str
    name: str
    parent: str
    type: GraphQLOutputType
    nodes: list[FieldNode]
    spec: Read | Lookup | None
    shape: Mapping[str, Selection]
    arguments: Arguments | None = None
    region: Region | None = None
    columns: tuple[Column, ...] | None = None


@dataclass(eq=False, slots=True)
class Selection:
    """What is selected of the objects of one type at one place, in the order of the response.

    Attributes:
        type_name: The name of the object type.
        fields: All that is selected.
        lookups: Those of the fields that look further.
        told: All that is selected, where rows may hold it as JSON; None where they may not.
    """

    type_name: str
    fields: tuple[Field, ...]
    lookups: tuple[Field, ...] = field(init=False)
    told: tuple[Column, ...] | None = None

    def __post_init__(self) -> None:
        self.lookups = tuple(field for field in self.fields if field.region is not None)


@dataclass(eq=False, slots=True)
class Region:
    """The value of one look-up, and all that is read from it without further look-ups.

    Attributes:
        name: Names the region in the generated code: its place in the plan, and what it holds.
        type: The type of the value.
        shape: What is selected of it, by object type; empty for a leaf.
        stops: The selections in it that look further, in the order of the response.
        build: Generated: completes the values.
        gather: Generated, where there are stops: finds their objects.
    """

    name: str
    type: GraphQLOutputType
    shape: Mapping[str, Selection]
    stops: tuple[Selection, ...] = ()
    build: Build = field(init=False)
    gather: Gather = field(init=False)

    def lookups(self) -> Iterator[Field]:
        """Yield the look-ups of all stops, in the order in which `build` takes their values."""
        for stop in self.stops:
            yield from stop.lookups


@dataclass(eq=False, slots=True)
class Plan:
    """An operation laid out for being answered, with the code that was generated for it.

    Attributes:
        root: The region of the root fields.
        source: The generated code.
        reads: Which attributes of the objects of each type are looked at anywhere in the operation;
            None where that may be any. What is not read need not be fetched.
        carries: What rows of each type are to carry as JSON: by the attribute that holds it, what
            is read of its objects (nothing, where it is a leaf).
        tells: What rows of each type are to tell of themselves as JSON (in the attribute `TOLD`):
            all that is selected of them. Rows that can't are to carry the above instead.
        is_single: Whether one look-up is all that there is, where rows tell what they are to tell.
        brief: What the engine's `on_plan` made of it; nothing of the engine's.
    """

    root: Region
    source: str
    reads: Mapping[str, frozenset[str] | None] = field(init=False)
    carries: Mapping[str, Mapping[str, tuple[Column, ...]]] = field(init=False)
    tells: Mapping[str, tuple[Column, ...]] = field(init=False)
    is_single: bool = field(init=False)
    brief: Any = None

    def __post_init__(self) -> None:
        selections = [
            selection
            for level in self.levels()
            for region in level
            for selection in _selections(region.shape)
        ]
        self.reads = _reads(selections)
        self.carries = {each.type_name: told for each in selections if (told := _carried(each))}
        self.is_single = sum(1 for _ in _untold_lookups(self.root.shape)) == 1
        self.tells = {each.type_name: each.told for each in selections if each.told is not None}

    def levels(self) -> Iterator[tuple[Region, ...]]:
        """Yield the regions that are filled at the same time, from the root down."""
        level: tuple[Region, ...] = (self.root,)
        while level:
            yield level
            level = tuple(
                field.region
                for region in level
                for field in region.lookups()
                if field.region is not None
            )


def _selections(shape: Mapping[str, Selection]) -> Iterator[Selection]:
    """Yield the selections of a region."""
    for selection in shape.values():
        yield selection
        for each in selection.fields:
            if each.region is None:
                yield from _selections(each.shape)


def _untold_lookups(shape: Mapping[str, Selection]) -> Iterator[Field]:
    """Yield the look-ups, at any depth, of what rows don't tell among all of themselves."""
    for selection in shape.values():
        for each in selection.fields if selection.told is None else ():
            if each.region is not None:
                yield each
                yield from _untold_lookups(each.region.shape)
            else:
                yield from _untold_lookups(each.shape)


def _reads(selections: Sequence[Selection]) -> dict[str, frozenset[str] | None]:
    found: dict[str, set[str] | None] = defaultdict(set)
    for selection in selections:
        for each in selection.fields:
            if each.spec is not None:
                attributes, known = attributes_of(each.spec), found[selection.type_name]
                if attributes is None or known is None:
                    found[selection.type_name] = None
                else:
                    known.update(attributes)
    return {name: None if read is None else frozenset(read) for name, read in found.items()}


def _carried(selection: Selection) -> dict[str, tuple[Column, ...]]:
    return {
        each.spec.carried: each.columns
        for each in selection.lookups
        if isinstance(each.spec, Lookup) and each.spec.carried and each.columns is not None
    }
